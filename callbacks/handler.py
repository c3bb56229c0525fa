"""LangChain's callbacks -> grammar -> queue: only the final answer gets through."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from callbacks.calls import Calls
from callbacks.filters.base import ActionRead, AnswerFilter, Delta
from callbacks.one_loop import OneLoop, in_turn
from callbacks.sources import Sources
from stream.events import Event, FinishReason, ToolFinished, ToolStarted, Usage
from stream.log import is_end

QUEUE_SIZE = 256
"""Events between the model and the log. When it is full the model waits; nothing is dropped."""


TOLD = "lastword_told"
"""Where a message carries the answer that its call told, for the agent to read no other one.

LangChain's message is not all that was streamed: of arguments that were cut off it keeps
what its own parser makes of them, perhaps nothing.
"""


class WantsTokens:
    """LangChain streams every model call that a handler with these two methods hears.

    It is meant for handlers that watch what passes; we want the effect and pass all on.
    """

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        return output


class FinalAnswerHandler(OneLoop, WantsTokens, AsyncCallbackHandler):
    """Puts the final answer, as it is written, and what the tools do, into a queue.

    One handler serves one run, on the loop it is made in. It never decides how the
    run ends: a callback that is not called would leave the readers waiting, so the
    end is the word of the task that runs the agent. That task calls `finish`, or
    `stop`, and then puts the end into the queue.
    """

    run_inline = True  # otherwise LangChain makes a task per token, in no order
    raise_error = True  # otherwise LangChain logs our exceptions and goes on

    def __init__(self, queue: asyncio.Queue[Event], grammar: Callable[[], AnswerFilter]) -> None:
        super().__init__()
        self._queue = queue
        self._calls = Calls(grammar)
        self._tools: dict[UUID, ToolStarted] = {}
        self.sources = Sources()
        self.usage = Usage()

    @property
    def answer(self) -> str:
        """What was streamed so far, and is certain."""
        return self._calls.answer.text

    @property
    def finish_reason(self) -> FinishReason:
        """Why the call stopped that told the answer."""
        return self._calls.answer.finish_reason

    async def finish(self, returned: str | None) -> None:
        """The agent returned this text, or something that has no text, and so that is the answer.

        Raises if what was streamed cannot be taken back and is not the answer.
        """
        await self.caught_up()
        await self._put(self._calls.finish(returned))

    async def stop(self, *, keep: bool = False) -> None:
        """The agent did not return. `keep` what was said as the answer, as far as it came."""
        self.refuse()
        with suppress(Exception):  # the run has an end already
            await self.caught_up()
        if keep:
            await self._put(self._calls.answer.keep())

    @in_turn
    async def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self._calls.enter(run_id, parent_run_id, metadata=metadata)

    @in_turn
    async def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        self._calls.enter(run_id, parent_run_id, hides=True)

    @in_turn
    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self._calls.begin(run_id, parent_run_id, tags, metadata)

    @in_turn
    async def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self._calls.begin(run_id, parent_run_id, tags, metadata)

    async def on_llm_new_token(
        self, token: str | list[Any], *, chunk: Any = None, run_id: UUID, **_: Any
    ) -> None:
        message = getattr(chunk, "message", None)
        if self.in_turn():  # the decorator costs, and this is what is called for every token
            await self._put(self._calls.feed(run_id, token, message))
        else:
            await self._hear(run_id, token, message)

    @in_turn
    async def _hear(self, run_id: UUID, token: str | list[Any], message: Any) -> None:
        await self._put(self._calls.feed(run_id, token, message))

    @in_turn
    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        message = message_of(response)
        self.usage += usage_of(message)
        if speaker := self._calls.speaker(run_id):
            speaker.finish_reason = finish_reason_of(message)
        await self._put(self._calls.end(run_id, message.text, message))
        if speaker and speaker.told:
            message.additional_kwargs[TOLD] = self.answer[: speaker.told]

    @in_turn
    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        if not isinstance(error, asyncio.CancelledError):  # a cancelled run keeps what was said
            await self._put(self._calls.fail(run_id))

    @in_turn
    async def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        tool_call_id: str | None = None,
        **_: Any,
    ) -> None:
        if self._calls.enter(run_id, parent_run_id, hides=True):
            arguments = json.dumps(inputs, default=str) if inputs else input_str
            tool = ToolStarted(tool_call_id or str(run_id), serialized["name"], arguments)
            self._tools[run_id] = tool
            await self._put([tool])

    @in_turn
    async def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        await self._put(self.sources.tell(getattr(output, "artifact", None)))
        text = output.text if isinstance(output, BaseMessage) else str(output)
        await self._tool_finished(run_id, text, getattr(output, "status", "") == "error")

    @in_turn
    async def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        # The error's own words may hold anything, a key in a URL for one.
        await self._tool_finished(run_id, f"The tool failed ({type(error).__name__}).", True)

    async def _tool_finished(self, run_id: UUID, output: str, failed: bool) -> None:
        if tool := self._tools.pop(run_id, None):
            await self._put([ToolFinished(tool.call_id, tool.name, output, failed)])

    async def _put(self, events: Sequence[Event | Delta]) -> None:
        for event in events:
            if isinstance(event, ActionRead):
                continue  # for the agent, which reads it with the same grammar
            if self._queue.full():
                await self._queue.put(event)  # the model waits
            else:
                self._queue.put_nowait(event)


async def drain(queue: asyncio.Queue[Event]) -> AsyncIterator[list[Event]]:
    """What is in the queue, in one batch, whenever there is something; ends with the run."""
    while True:
        batch = [await queue.get()]
        while not queue.empty():
            batch.append(queue.get_nowait())
        yield batch
        if is_end(batch[-1]):
            return


def message_of(response: LLMResult) -> AIMessage:
    """The message of a chat model's result; what a completion model said, as one."""
    generation = response.generations[0][0]
    if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
        return generation.message
    return AIMessage(generation.text, response_metadata=generation.generation_info or {})


def usage_of(message: AIMessage) -> Usage:
    counted = message.usage_metadata
    return Usage(counted["input_tokens"], counted["output_tokens"]) if counted else Usage()


def finish_reason_of(message: AIMessage) -> FinishReason:
    """Anything but a cut counts as `stop`: providers have many words for it."""
    said = message.response_metadata
    word = next((str(said[key]) for key in _REASONS if said.get(key)), "").lower()
    # Where a server says it twice, LangChain has joined the two.
    if word.startswith(_CUT):
        return "length"
    return "content_filter" if word.startswith(_FILTERED) else "stop"


_REASONS = ("finish_reason", "stop_reason", "done_reason", "status")
_CUT = ("length", "max_tokens", "max_output_tokens", "model_length", "incomplete")
_FILTERED = ("content_filter", "safety", "refusal", "recitation", "blocklist", "prohibited")
