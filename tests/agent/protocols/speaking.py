"""What a scripted model says in each protocol, and what a run of the agent came to."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import ToolMessage

from agent.build import build_agent
from agent.protocols.registry import TEXT
from callbacks.filters.base import understand
from callbacks.filters.registry import grammar
from callbacks.filters.tool import ANSWER_ARGUMENT, ANSWER_TOOL
from callbacks.handler import FinalAnswerHandler
from stream.events import Event, ToolStarted
from tests.agent.models import model_on
from tests.replies import Token, cut_text
from tests.upstream import Upstream


def answers(protocol: str, text: str, cut: int = 3) -> list[Token]:
    """The tokens of a reply that answers."""
    if protocol in TEXT:
        return cut_text(TEXT[protocol].answer(text), cut)
    if protocol == "tool":
        return call(0, ANSWER_TOOL, json.dumps({ANSWER_ARGUMENT: text}), cut)
    return cut_text(text, cut)


def calls(protocol: str, name: str, given: Any, cut: int = 3) -> list[Token]:
    """The tokens of a reply that calls a tool, with a text for `text`."""
    if protocol in TEXT:
        return cut_text(TEXT[protocol].action(name, given), cut)
    return ["One moment.", *call(0, name, json.dumps({"text": given}), cut)]


def call(index: int, name: str, arguments: str, cut: int) -> list[Token]:
    """A native call, as providers stream it."""
    pieces = [arguments[at : at + cut] for at in range(0, len(arguments), cut)]
    return [
        _call(index, id=f"call_{index}", type="function", function={"name": name}),
        *(_call(index, function={"arguments": piece}) for piece in pieces),
    ]


def _call(index: int, **piece: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **piece}]}


class Run:
    """What the model was asked, what the agent returned, what was streamed."""

    def __init__(self, upstream: Upstream, state: dict[str, Any], events: list[Event]) -> None:
        self.requests = [request.body for request in upstream.requests]
        self.messages = state["messages"]
        self.answer = state["messages"][-1].text
        self.results = [m.text for m in self.messages if isinstance(m, ToolMessage)]
        self.events = events
        acted = [n for n, event in enumerate(events) if isinstance(event, ToolStarted)]
        self.streamed = understand(events).answer
        before = events[: acted[-1]] if acted else []
        self.streamed_before_acting = understand(before).answer


async def run(
    upstream: Upstream,
    protocol: str,
    messages: Any = "Hi",
    tools: Sequence[Any] = (),
    **options: Any,
) -> Run:
    queue: asyncio.Queue[Event] = asyncio.Queue()
    handler = FinalAnswerHandler(queue, grammar(protocol))
    async with model_on(upstream) as model:
        agent = build_agent(model, tools=tools, protocol=protocol, **options)
        state = await agent.ainvoke({"messages": messages}, {"callbacks": [handler]})
    return Run(upstream, state, [queue.get_nowait() for _ in range(queue.qsize())])
