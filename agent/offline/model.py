"""The embedded default model: it needs no key, follows rules, and says so.

It reads the prompt that a real model would get and replies in the format that
the prompt asks for, so everything around it runs as it would with a real one.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from agent.offline.rules import Answer, Conversation, Exchange, Intention, ToolCall, decide
from agent.protocols.base import TextProtocol
from agent.protocols.json_chat import JsonChat
from callbacks.filters.base import read_reply
from callbacks.filters.registry import FILTERS

CHARACTERS_PER_TOKEN = 4


class OfflineChatModel(BaseChatModel):
    """A rule-based chat model that calculates with a tool and remembers the conversation."""

    tokens_per_second: float = Field(default=50, ge=0)
    """The pace of its speech; 0 is as fast as possible."""

    @property
    def _llm_type(self) -> str:
        return "lastword-offline"

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(messages, stop):
            time.sleep(self._pause)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(messages, stop):
            await asyncio.sleep(self._pause)
            yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop))

    @property
    def _pause(self) -> float:
        return 1 / self.tokens_per_second if self.tokens_per_second else 0


# Speaking

_TOKEN = re.compile(r" ?\w{1,6}| ?[^\w\s]{1,4}|\s{1,4}")


def _chunks(
    messages: Sequence[BaseMessage], stop: Sequence[str] | None
) -> Iterator[ChatGenerationChunk]:
    tokens = _TOKEN.findall(_until(stop or (), reply(messages)))
    for token in tokens:
        yield ChatGenerationChunk(message=AIMessageChunk(content=token))
    yield _last_chunk(sum(len(message.text) for message in messages), len(tokens))


def _last_chunk(characters: int, tokens: int) -> ChatGenerationChunk:
    prompt = characters // CHARACTERS_PER_TOKEN
    usage = UsageMetadata(input_tokens=prompt, output_tokens=tokens, total_tokens=prompt + tokens)
    finish = {"finish_reason": "stop"}
    message = AIMessageChunk(
        content="", usage_metadata=usage, response_metadata=finish, chunk_position="last"
    )
    return ChatGenerationChunk(message=message, generation_info=finish)


def _until(stop: Sequence[str], text: str) -> str:
    ends = [text.find(sequence) for sequence in stop]
    return text[: min((end for end in ends if end >= 0), default=len(text))]


def reply(messages: Sequence[BaseMessage]) -> str:
    """What the model says to a prompt, in the format that the prompt asks for."""
    prompt = next((m.text for m in messages if isinstance(m, SystemMessage)), "")
    form = next((form for form in FORMATS if form.marker in prompt), None)
    intention = decide(_Reading(form, messages).talk(_calculator(prompt) if form else None))
    text = form.write(intention) if form else intention[-1]
    # A model's tokens cannot spell half a surrogate pair, but a user whom it quotes can.
    return text.encode(errors="replace").decode()


def _calculator(prompt: str) -> str | None:
    """The calculator's name if the prompt lists it, one tool to a line: `name: description`."""
    found = re.search(r"^\W*(calculator)\b.*:", prompt, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else None


# Formats


class Format(NamedTuple):
    """How to talk in a protocol."""

    marker: str
    """What the protocol's system prompt has in it."""
    protocol: TextProtocol
    write: Callable[[Intention], str]

    def read(self, text: str) -> Intention | None:
        """What an earlier reply intended, as the agent understood it; None if it did not."""
        answer, action = read_reply(FILTERS[self.protocol.name](), text)
        if action:
            return ToolCall(action.name, str(action.input))
        return None if answer is None else Answer(answer)

    def result(self, text: str) -> str | None:
        """What a tool returned, or None if this is not how the protocol tells of it."""
        frame = self.protocol.render_result(ToolMessage(_SLOT, tool_call_id="")).text
        before, _, after = frame.partition(_SLOT)
        is_framed = text.startswith(before) and text.endswith(after)
        return text[len(before) : len(text) - len(after)] if is_framed else None


_SLOT = "{output}"


def _json_blob(intention: Intention) -> str:
    action = intention.name if isinstance(intention, ToolCall) else "Final Answer"
    blob = {"action": action, "action_input": intention[-1]}
    return f"```json\n{json.dumps(blob, ensure_ascii=False)}\n```"


FORMATS = (Format('"action_input"', JsonChat(), _json_blob),)


# Reading the prompt


class _Reading:
    """The conversation that a prompt holds. Without a format there are no tools in it.

    Who speaks is told by place, never by the words alone: users can write anything.
    """

    def __init__(self, form: Format | None, messages: Sequence[BaseMessage]) -> None:
        self._form = form
        self._earlier: list[Exchange] = []
        self._start("")
        for message in messages:
            if isinstance(message, HumanMessage):
                self._hear(message.text)
            elif isinstance(message, AIMessage):
                self._recall(message.text)

    def talk(self, calculator: str | None) -> Conversation:
        """All that matters for what to say next."""
        return Conversation(
            self._earlier, self._said, calculator, self._call, self._result, self._must_answer
        )

    def _start(self, said: str) -> None:
        self._said = said
        self._pending: ToolCall | None = None
        self._call: ToolCall | None = None
        self._result = ""
        self._must_answer = False

    def _recall(self, text: str) -> None:
        """The model's own reply."""
        intention = self._form.read(text) if self._form else Answer(text)
        if isinstance(intention, ToolCall):
            self._pending = intention
        elif intention:
            self._earlier.append(Exchange(self._said, intention.text))
            self._start("")

    def _hear(self, text: str) -> None:
        """The user, a tool, or the agent."""
        if self._pending and self._form and (result := self._form.result(text)) is not None:
            self._call, self._result, self._pending = self._pending, result, None
        elif self._said and self._form and text == self._form.protocol.answer_now:
            self._must_answer = True
        elif not (self._said and self._form and text == self._form.protocol.correction):
            if self._said:
                self._earlier.append(Exchange(self._said, ""))
            self._start(text)
