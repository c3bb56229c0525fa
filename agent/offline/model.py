"""The embedded default model: it needs no key, follows rules, and says so.

It reads the prompt that a real model would get and replies in the format that
the prompt asks for, or with native tool calls, so everything around it runs as it
would with a real one.
"""

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from agent.offline.forms import conversation, form_of
from agent.offline.rules import decide

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
        for chunk in _chunks(messages, stop, **kwargs):
            time.sleep(self._pause)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(messages, stop, **kwargs):
            await asyncio.sleep(self._pause)
            yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, **kwargs))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,  # what it is told in words is enough for it
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        described = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=described, **kwargs)

    @property
    def _pause(self) -> float:
        return 1 / self.tokens_per_second if self.tokens_per_second else 0


# Speaking

_TOKEN = re.compile(r" ?\w{1,6}| ?[^\w\s]{1,4}|\s{1,4}")


def reply(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]] = ()) -> AIMessage:
    """What the model says to a prompt, in the format that the prompt asks for."""
    form = form_of(messages, tools)
    return form.write(decide(conversation(form, messages)))


def _chunks(
    messages: Sequence[BaseMessage],
    stop: Sequence[str] | None,
    tools: Sequence[dict[str, Any]] = (),
    **_: Any,
) -> Iterator[ChatGenerationChunk]:
    said = reply(messages, tools)
    spoken = [*_text_chunks(said, stop or ()), *_call_chunks(said)]
    for chunk in spoken:
        yield ChatGenerationChunk(message=chunk)
    yield _last_chunk(sum(len(message.text) for message in messages), len(spoken))


def _text_chunks(said: AIMessage, stop: Sequence[str]) -> Iterator[AIMessageChunk]:
    for token in _TOKEN.findall(_encodable(_until(stop, said.text))):
        yield AIMessageChunk(content=token)


def _call_chunks(said: AIMessage) -> Iterator[AIMessageChunk]:
    """Calls as providers stream them: the name, then the arguments as cuts of JSON text."""
    for index, call in enumerate(said.tool_calls):
        yield _call_chunk(index, name=call["name"], args="", id=f"call_{uuid.uuid4().hex}")
        arguments = json.dumps(call["args"], ensure_ascii=False)
        for token in _TOKEN.findall(_encodable(arguments)):
            yield _call_chunk(index, name=None, args=token, id=None)


def _call_chunk(index: int, **piece: str | None) -> AIMessageChunk:
    return AIMessageChunk(content="", tool_call_chunks=[{"index": index, **piece}])


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


def _encodable(text: str) -> str:
    """A model's tokens cannot spell half a surrogate pair, but a user whom it quotes can."""
    return text.encode(errors="replace").decode()
