"""How the offline model reads a prompt and writes a reply, in each protocol.

Who speaks is told by place, never by the words alone: users can write anything.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from agent.offline.rules import Answer, Conversation, Exchange, Intention, ToolCall
from agent.protocols.message import Message
from agent.protocols.registry import TEXT
from agent.protocols.text import TextProtocol
from agent.protocols.tool import Tool
from callbacks.filters.base import read_reply
from callbacks.filters.registry import FILTERS
from callbacks.filters.tool import ANSWER_ARGUMENT, ANSWER_TOOL

CALCULATOR, SEARCH = "calculator", "search"
PREAMBLES = {SEARCH: "Let me look that up.", CALCULATOR: "Let me compute that."}


class Form(Protocol):
    """A protocol from the model's side of it."""

    calculator: str | None
    """The name that the prompt has for it, if it has one."""
    search: str | None
    answer_now: Collection[str]
    corrections: Collection[str]

    def recall(self, message: AIMessage) -> Intention | None:
        """What an earlier reply intended, as the agent understood it; None if it did not."""

    def result(self, message: BaseMessage) -> str | None:
        """What a tool returned, or None if this is not how the protocol tells of it."""

    def write(self, intention: Intention) -> AIMessage:
        """A reply."""


class TextForm:
    """Everything is text, as the system prompt asks for it."""

    def __init__(self, protocol: TextProtocol, prompt: str) -> None:
        self._protocol = protocol
        self.calculator, self.search = _named(CALCULATOR, prompt), _named(SEARCH, prompt)
        self.answer_now: Collection[str] = {protocol.answer_now}
        self.corrections: Collection[str] = {protocol.correction}

    def recall(self, message: AIMessage) -> Intention | None:
        answer, action = read_reply(FILTERS[self._protocol.name](), message.text)
        if action:
            return ToolCall(action.name, str(action.input))
        return None if answer is None else Answer(answer)

    def result(self, message: BaseMessage) -> str | None:
        return self._protocol.output(message.text)

    def write(self, intention: Intention) -> AIMessage:
        if isinstance(intention, ToolCall):
            return AIMessage(self._protocol.action(intention.name, intention.input))
        return AIMessage(self._protocol.answer(intention.text))


class NativeForm:
    """Tools are called natively, if there are any; one of them may be for the answer."""

    def __init__(self, tools: Sequence[dict[str, Any]]) -> None:
        """`tools` as OpenAI describes them."""
        functions = {tool["function"]["name"]: tool["function"] for tool in tools}
        self._answers_by_call = ANSWER_TOOL in functions
        self.calculator = CALCULATOR if CALCULATOR in functions else None
        self.search = SEARCH if SEARCH in functions else None
        self._functions = functions
        self.answer_now: Collection[str] = {Tool.answer_now, Message.answer_now}
        self.corrections: Collection[str] = {Tool.correction, Message.correction}

    def recall(self, message: AIMessage) -> Intention | None:
        for call in message.tool_calls:
            if call["name"] == ANSWER_TOOL:
                return Answer(str(call["args"].get(ANSWER_ARGUMENT, "")))
            return ToolCall(call["name"], str(next(iter(call["args"].values()), "")))
        return Answer(message.text)

    def result(self, message: BaseMessage) -> str | None:
        return message.text if isinstance(message, ToolMessage) else None

    def write(self, intention: Intention) -> AIMessage:
        if isinstance(intention, ToolCall):
            name = intention.name
            said = "" if self._answers_by_call else PREAMBLES[name]  # to be taken back again
            properties = self._functions[name].get("parameters", {}).get("properties", {})
            return _call(said, name, {next(iter(properties), "input"): intention.input})
        if self._answers_by_call:
            return _call("", ANSWER_TOOL, {ANSWER_ARGUMENT: intention.text})
        return AIMessage(intention.text)


def _named(tool: str, prompt: str) -> str | None:
    """A tool's name as the prompt writes it, one tool to a line: `name: description`."""
    found = re.search(rf"^\W*({tool})\b.*:", prompt, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else None


def _call(said: str, name: str, arguments: dict[str, str]) -> AIMessage:
    call = {"name": name, "args": arguments, "id": "call_0", "type": "tool_call"}
    return AIMessage(said, tool_calls=[call])


def form_of(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> Form:
    """The one that the prompt asks for."""
    prompt = next((m.text for m in messages if isinstance(m, SystemMessage)), "")
    protocol = next((each for each in TEXT.values() if each.form in prompt), None)
    return TextForm(protocol, prompt) if protocol else NativeForm(tools)


def conversation(form: Form, messages: Iterable[BaseMessage]) -> Conversation:
    """All that matters for what to say next."""
    reading = _Reading(form)
    for message in messages:
        if isinstance(message, AIMessage):
            reading.recall(message)
        elif isinstance(message, HumanMessage | ToolMessage):
            reading.hear(message)
    return reading.conversation()


class _Reading:
    """What was said so far, by whom."""

    _pending: ToolCall | None
    _call: ToolCall | None

    def __init__(self, form: Form) -> None:
        self._form = form
        self._earlier: list[Exchange] = []
        self._start("")

    def conversation(self) -> Conversation:
        return Conversation(
            self._earlier,
            self._said,
            self._form.calculator,
            self._call,
            self._result,
            self._must_answer,
            self._form.search,
        )

    def recall(self, message: AIMessage) -> None:
        """The model's own reply."""
        intention = self._form.recall(message)
        if isinstance(intention, ToolCall):
            self._pending = intention
        elif intention:
            self._earlier.append(Exchange(self._said, intention.text))
            self._start("")

    def hear(self, message: HumanMessage | ToolMessage) -> None:
        """The user, a tool, or the agent."""
        if self._said and message.text in self._form.answer_now:
            self._must_answer = True
        elif self._pending and (result := self._form.result(message)) is not None:
            self._call, self._result, self._pending = self._pending, result, None
        elif isinstance(message, HumanMessage) and not (
            self._said and message.text in self._form.corrections
        ):
            if self._said:
                self._earlier.append(Exchange(self._said, ""))
            self._start(message.text)

    def _start(self, said: str) -> None:
        self._said = said
        self._pending = self._call = None
        self._result = ""
        self._must_answer = False
