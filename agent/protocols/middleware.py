"""Lets `create_agent` talk with a model in plain text, by a `TextProtocol`.

The reply is read with the same grammar that streams it: what the user was shown
as the answer is the answer, and what runs as a tool was never shown.
"""

import uuid
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, TypeAlias, cast

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.middleware.types import AgentState
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import BaseTool

from agent.protocols.base import TextProtocol
from callbacks.filters.base import ActionRead, read_reply
from callbacks.filters.json_object import join_surrogates
from callbacks.filters.registry import FILTERS
from callbacks.handler import finish_reason_of
from stream.errors import ContentFiltered, IterationLimit, UnreadableReply

MAX_ITERATIONS = 3
CORRECTIONS = 2

_Request: TypeAlias = ModelRequest[Any]
_Response: TypeAlias = ModelResponse[Any]


class SpeakText(AgentMiddleware[AgentState[Any], Any]):
    """One model call of the agent, in the words of a protocol, corrected where it must be."""

    def __init__(
        self,
        protocol: TextProtocol,
        max_iterations: int = MAX_ITERATIONS,
        corrections: int = CORRECTIONS,
    ) -> None:
        """After `max_iterations` tool calls comes one last model call that must answer."""
        super().__init__()
        self.protocol = protocol
        self.max_iterations = max_iterations
        self.corrections = corrections

    def wrap_model_call(
        self, request: _Request, handler: Callable[[_Request], _Response]
    ) -> AIMessage:
        calls = self._until_readable(request)
        prompt = next(calls)
        while True:
            try:
                prompt = calls.send(handler(prompt))
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]  # a generator's return value

    async def awrap_model_call(
        self, request: _Request, handler: Callable[[_Request], Awaitable[_Response]]
    ) -> AIMessage:
        calls = self._until_readable(request)
        prompt = next(calls)
        while True:
            response = await handler(prompt)
            try:
                prompt = calls.send(response)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]  # a generator's return value

    def _until_readable(self, request: _Request) -> Generator[_Request, _Response, AIMessage]:
        """Prompts out, replies in, until one can be read. Sync and async runs share it."""
        must_answer = _rounds(request.messages) >= self.max_iterations
        messages = [self._rendered(message) for message in request.messages]
        if must_answer:
            messages.append(HumanMessage(self.protocol.answer_now))
        for _ in range(self.corrections + 1):
            response = yield self._prompt(request, messages)
            message = _encodable(cast("AIMessage", response.result[-1]))
            reply = read_reply(FILTERS[self.protocol.name](), message.text)
            if reply.answer is not None:
                return _answer(message, reply.answer)
            if reply.action and not must_answer:
                return _tool_call(message, reply.action, request.tools)
            if finish_reason_of(message) == "content_filter":
                raise ContentFiltered
            messages += [AIMessage(message.text), HumanMessage(self._objection(reply.action))]
        if reply.action:
            raise IterationLimit
        if self.protocol.is_plain_text_answer(message.text):
            return _answer(message, message.text)
        raise UnreadableReply

    def _prompt(self, request: _Request, messages: list[AnyMessage]) -> _Request:
        tools = [tool for tool in request.tools if isinstance(tool, BaseTool)]
        return request.override(
            system_message=SystemMessage(self.protocol.system_prompt(tools)),
            messages=list(messages),
            tools=[],  # the protocol has told of them in its own words
        )

    def _objection(self, action: ActionRead | None) -> str:
        return self.protocol.answer_now if action else self.protocol.correction

    def _rendered(self, message: AnyMessage) -> AnyMessage:
        if isinstance(message, ToolMessage):
            return self.protocol.render_result(message)
        if isinstance(message, AIMessage):
            render = self.protocol
            return (
                render.render_action(message)
                if message.tool_calls
                else render.render_answer(message)
            )
        return message


def _encodable(message: AIMessage) -> AIMessage:
    """Half a surrogate pair is no text; pydantic would refuse the next prompt for it."""
    return message.model_copy(update={"content": join_surrogates(message.text)})


def _rounds(messages: Sequence[AnyMessage]) -> int:
    """How often a tool was called since the user last spoke."""
    rounds = 0
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            break
        rounds += isinstance(message, AIMessage) and bool(message.tool_calls)
    return rounds


def _answer(message: AIMessage, answer: str) -> AIMessage:
    # A call that the model made natively, unasked, must not run after an answer.
    return message.model_copy(update={"content": answer, "tool_calls": []})


def _tool_call(
    message: AIMessage, action: ActionRead, tools: Sequence[BaseTool | dict[str, Any]]
) -> AIMessage:
    """The model's own words stay the content, so that it finds them again in the next prompt."""
    call = {
        "name": action.name,
        "args": _arguments(action, tools),
        "id": f"call_{uuid.uuid4().hex}",
        "type": "tool_call",
    }
    return message.model_copy(update={"tool_calls": [call]})


def _arguments(action: ActionRead, tools: Sequence[BaseTool | dict[str, Any]]) -> dict[str, Any]:
    """A model in a text protocol gives a tool with one argument just the argument."""
    if isinstance(action.input, dict):
        return action.input
    names = [
        name
        for tool in tools
        if isinstance(tool, BaseTool) and tool.name == action.name
        for name in tool.args
    ]
    return {(names or ["input"])[0]: action.input}
