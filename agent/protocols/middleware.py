"""Lets `create_agent` talk with a model as a protocol says.

The reply is read with the same grammar that streams it: what the user was shown
as the answer is the answer, and what runs as a tool was never shown.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, TypeAlias, cast

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.middleware.types import AgentState
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from agent.protocols.base import ChatProtocol
from agent.protocols.registry import PROTOCOLS
from callbacks.chunks import chunks_of
from callbacks.filters.base import AnswerFilter, Reply, TextFilter, understand
from callbacks.filters.registry import grammar
from callbacks.handler import TOLD, finish_reason_of
from callbacks.returned import plain
from stream.errors import ContentFiltered, IterationLimit, UnreadableReply

MAX_ITERATIONS = 3
CORRECTIONS = 2

_Request: TypeAlias = ModelRequest[Any]
_Response: TypeAlias = ModelResponse[Any]


class Speak(AgentMiddleware[AgentState[Any], Any]):
    """One model call of the agent, in the words of a protocol, corrected where it must be."""

    def __init__(
        self,
        protocol: str,
        max_iterations: int = MAX_ITERATIONS,
        corrections: int = CORRECTIONS,
    ) -> None:
        """`protocol` is a name in `PROTOCOLS`, perhaps after layers: `think+react`.

        After `max_iterations` rounds of tool calls comes one last call that must answer.
        """
        super().__init__()
        self.protocol = PROTOCOLS[protocol.rpartition("+")[2]]
        self.grammar = grammar(protocol)
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
                answer: AIMessage = done.value
                return answer

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
                answer: AIMessage = done.value
                return answer

    def _until_readable(self, request: _Request) -> Generator[_Request, _Response, AIMessage]:
        """Prompts out, replies in, until one can be read. Sync and async runs share it."""
        must_answer = _rounds(request.messages) >= self.max_iterations
        prompt = _with_instructions(self.protocol, request, must_answer=must_answer)
        for _ in range(self.corrections + 1):
            response = yield prompt
            message = cast("AIMessage", response.result[-1])
            reader = self.grammar()
            answer, action = _read(reader, message)
            if answer is not None and self.protocol.accepts(answer):
                return _answer(message, answer)
            reason = finish_reason_of(message)
            if reason == "content_filter":
                raise ContentFiltered
            calling = self.protocol.calling(message, action, request.tools)
            if reason == "length":
                calling = None  # a tool never runs on half an input
            if calling and not must_answer:
                return calling
            words = self.protocol.answer_now if calling else self.protocol.correction
            objection = self.protocol.objection(message, words)
            prompt = prompt.override(messages=[*prompt.messages, *objection])
        if calling:
            raise IterationLimit
        attempted = isinstance(reader, TextFilter) and reader.attempted
        if self.protocol.takes_plain_text and not attempted:
            answer, _ = _read(plain(reader), message)
            if answer and not answer.isspace() and self.protocol.accepts(answer):
                return _answer(message, answer)
        raise UnreadableReply


def _with_instructions(protocol: ChatProtocol, request: _Request, *, must_answer: bool) -> _Request:
    """What the client's own system messages say stands in ours: many models take only one."""
    said = [message.text for message in request.messages if isinstance(message, SystemMessage)]
    others: list[AnyMessage] = [
        message for message in request.messages if not isinstance(message, SystemMessage)
    ]
    prompt = protocol.prompt(request.override(messages=others), must_answer=must_answer)
    if not said:
        return prompt
    ours = prompt.system_message.text if prompt.system_message else ""
    return prompt.override(system_message=SystemMessage("\n\n".join([ours, *said])))


def _read(grammar: AnswerFilter, message: AIMessage) -> Reply:
    if (told := message.additional_kwargs.pop(TOLD, None)) is not None:
        return Reply(told, None)  # it was streamed, so it is the answer
    chunks = chunks_of(message.content, message)
    deltas = [delta for chunk in chunks for delta in grammar.feed(chunk)]
    return understand([*deltas, *grammar.close()])


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
