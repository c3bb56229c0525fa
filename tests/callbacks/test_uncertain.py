"""Native tool calling through the handlers: uncertain text, thoughts, calls that are the answer."""

import asyncio
import io
import itertools
from dataclasses import replace
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.tools import tool

from callbacks.calls import Calls
from callbacks.filters.registry import grammar
from callbacks.handler import FinalAnswerHandler
from callbacks.stdout import StdoutHandler
from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
    ThoughtDelta,
    ToolFinished,
    ToolStarted,
)
from stream.transcript import Transcript
from tests.agent.models import bare_model_on, model_on
from tests.replies import Reply, Token

pytestmark = pytest.mark.anyio


@tool
def echo(text: str) -> str:
    """Says it again."""
    return f"<{text}>"


@tool(return_direct=True)
def final_answer(answer: str) -> str:
    """Answers the user."""
    return answer


def call(name: str, *args: str, index: int = 0) -> list[Token]:
    """The tokens of a native tool call."""
    first = {"index": index, "id": f"call_{index}", "type": "function"}
    begin = first | {"function": {"name": name, "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": cut}} for cut in args]
    return [{"content": None, "tool_calls": [piece]} for piece in (begin, *rest)]


async def events_of(model, format: str, *others) -> list[Event]:
    """What a run of LangChain's own agent puts into the queue."""
    queue: asyncio.Queue[Event] = asyncio.Queue()
    handler = FinalAnswerHandler(queue, grammar(format))
    agent = create_agent(model, [echo, final_answer])
    result = await agent.ainvoke({"messages": "Hi"}, {"callbacks": [handler, *others]})
    await handler.finish(result["messages"][-1].text)
    events = [queue.get_nowait() for _ in range(queue.qsize())]
    transcript = Transcript()
    for event in events:
        transcript.add(event)
    assert handler.answer == transcript.answer
    return [event for _, run in itertools.groupby(events, _kind) for event in _joined(list(run))]


def _kind(event: Event) -> tuple[str, object]:
    return event.type, getattr(event, "certain", None)


def _joined(run: list[Event]) -> list[Event]:
    """Neighbours as one: how the network cut the text does not matter here."""
    if isinstance(run[0], AnswerDelta | ThoughtDelta):
        return [replace(run[0], text="".join(event.text for event in run))]
    return run


def uncertain(text: str) -> AnswerDelta:
    return AnswerDelta(text, certain=False)


ECHOED = [ToolStarted("call_0", "echo", '{"text": "Hm"}'), ToolFinished("call_0", "echo", "<Hm>")]


async def test_a_preamble_is_retracted_and_an_answer_confirmed(upstream) -> None:
    upstream.script(Reply(tokens=["Let me ", "ask.", *call("echo", '{"text": ', '"Hm"}')]))
    upstream.script(Reply(tokens=["Well: ", "Hm."]))
    printed = io.StringIO()
    async with model_on(upstream) as model:
        events = await events_of(model, "message", StdoutHandler("message", printed))
    assert events == [
        uncertain("Let me ask."),
        AnswerRetracted(),
        *ECHOED,
        uncertain("Well: Hm."),
        AnswerConfirmed(),
    ]
    assert printed.getvalue() == "Well: Hm.\n", "what is printed cannot be taken back"


async def test_an_answer_tool_is_certain_at_once(upstream) -> None:
    answer = call("final_answer", '{"ans', 'wer": "W', "ell.\\", 'n"}')
    upstream.script(Reply(tokens=[*call("echo", '{"text": "Hm"}')]))
    upstream.script(Reply(tokens=["So:", *answer]))
    printed = io.StringIO()
    async with model_on(upstream) as model:
        events = await events_of(model, "tool", StdoutHandler("tool", printed))
    assert events[:4] == [*ECHOED, ThoughtDelta("So:"), AnswerDelta("Well.\n")]
    assert printed.getvalue() == "Well.\n\n"


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_reasoning_of_a_compatible_server_is_a_thought(upstream, key: str) -> None:
    upstream.script(Reply(tokens=[{key: "Hm"}, {key: ", 4?"}, {key: ""}, {key: None}, "4", "2"]))
    async with model_on(upstream) as model:
        events = await events_of(model, "think+message")
    assert events == [ThoughtDelta("Hm, 4?"), uncertain("42"), AnswerConfirmed()]


async def test_reasoning_of_another_kind_is_left_alone(upstream) -> None:
    upstream.script(Reply(tokens=[{"reasoning": {"tokens": 3}}, "4"]))
    async with model_on(upstream) as model:
        assert await events_of(model, "message") == [uncertain("4"), AnswerConfirmed()]


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("message", [uncertain("So:"), AnswerRetracted()]),
        ("tool", [ThoughtDelta("So:"), AnswerDelta("Well.")]),
        ("structured", [AnswerDelta("Well.")]),
    ],
)
async def test_a_model_that_does_not_stream_is_heard_whole(upstream, format: str, expected) -> None:
    function = {"name": "final_answer", "arguments": '{"answer": "Well."}'}
    calls = [{"id": "call_0", "type": "function", "function": function}]
    upstream.script(Reply(tokens=["So:", {"tool_calls": calls}]))
    async with bare_model_on(upstream, streaming=False) as model:
        events = await events_of(model, format)
    assert events[: len(expected)] == expected
    assert isinstance(events[len(expected)], ToolStarted)


def test_a_model_that_streams_only_calls_or_thoughts_is_not_heard_twice() -> None:
    calls = Calls(grammar("tool"))
    arguments = '{"answer": "Well."}'
    piece = tool_call_chunk(name="final_answer", args=arguments, index=0)
    whole = AIMessage(
        "So:", tool_calls=[{"name": "final_answer", "args": {"answer": "no"}, "id": "1"}]
    )
    for streamed, expected in [
        (AIMessageChunk(content="", tool_call_chunks=[piece]), [AnswerDelta("Well.")]),
        (AIMessageChunk(content=[{"type": "thinking", "thinking": "Hm"}]), [ThoughtDelta("Hm")]),
    ]:
        calls.begin(run_id := uuid4(), None, None)
        assert calls.feed(run_id, "", AIMessageChunk(content="")) == []
        assert calls.feed(run_id, "", streamed) == expected
        assert calls.end(run_id, "So:", whole) == []


def test_nothing_uncertain_is_printed_of_a_message_that_calls() -> None:
    printed = io.StringIO()
    handler = StdoutHandler("think+message", printed)
    handler.on_chat_model_start({}, [], run_id=(run_id := uuid4()))
    for text in ("<think>Hm</think>", "No"):
        chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
        handler.on_llm_new_token(text, chunk=chunk, run_id=run_id)
    piece = tool_call_chunk(name="f", args="", index=0)
    called = ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece]))
    handler.on_llm_new_token("", chunk=called, run_id=run_id)
    result = LLMResult(generations=[[ChatGeneration(message=AIMessage("No"))]])
    handler.on_llm_end(result, run_id=run_id)
    assert printed.getvalue() == ""
