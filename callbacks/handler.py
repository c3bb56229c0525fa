"""LangChain's callbacks -> grammar -> queue: only the final answer gets through."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from callbacks.calls import Calls
from callbacks.filters.base import ActionRead, AnswerFilter, Delta
from stream.events import AnswerDelta, Event, FinishReason, ToolFinished, ToolStarted, Usage
from stream.log import is_end
from stream.transcript import Transcript

QUEUE_SIZE = 256
"""Events between the model and the log. When it is full the model waits; nothing is dropped."""


class WantsTokens:
    """LangChain streams every model call that a handler with these two methods hears.

    It is meant for handlers that watch what passes; we want the effect and pass all on.
    """

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        return output


class FinalAnswerHandler(WantsTokens, AsyncCallbackHandler):
    """Puts the final answer, as it is written, and what the tools do, into a queue.

    One handler serves one run. It never decides how the run ends: a callback
    that is not called would leave the readers waiting, so the end is the word of
    the task that runs the agent.
    """

    run_inline = True  # otherwise LangChain makes a task per token, in no order
    raise_error = True  # otherwise LangChain logs our exceptions and goes on

    def __init__(self, queue: asyncio.Queue[Event], grammar: Callable[[], AnswerFilter]) -> None:
        self._queue = queue
        self._calls = Calls(grammar)
        self._tools: dict[UUID, ToolStarted] = {}
        self._said = Transcript()
        self.finish_reason: FinishReason = "stop"
        self.usage = Usage()

    @property
    def answer(self) -> str:
        """What was streamed so far, and is certain."""
        return self._said.answer

    async def finish(self, answer: str) -> None:
        """The agent returned. What it says counts where no model call streamed an answer."""
        if not self.answer:
            await self._put([AnswerDelta(answer)])

    async def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        self._calls.enter(run_id, parent_run_id)

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

    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **_: Any,
    ) -> None:
        self._calls.begin(run_id, parent_run_id, tags)

    async def on_llm_new_token(
        self, token: str | list[Any], *, chunk: Any = None, run_id: UUID, **_: Any
    ) -> None:
        await self._put(self._calls.feed(run_id, token, getattr(chunk, "message", None)))

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        message = message_of(response)
        self.usage += usage_of(message)
        if self._calls.speaks(run_id):
            self.finish_reason = finish_reason_of(message)
        await self._put(self._calls.end(run_id, message.text, message))

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
            await self._queue.put(tool)

    async def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        text = output.text if isinstance(output, BaseMessage) else str(output)
        await self._tool_finished(run_id, text, getattr(output, "status", "") == "error")

    async def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        # The error's own words may hold anything, a key in a URL for one.
        await self._tool_finished(run_id, f"The tool failed ({type(error).__name__}).", True)

    async def _tool_finished(self, run_id: UUID, output: str, failed: bool) -> None:
        if tool := self._tools.pop(run_id, None):
            await self._queue.put(ToolFinished(tool.call_id, tool.name, output, failed))

    async def _put(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            if isinstance(delta, ActionRead):
                continue  # for the agent, which reads it with the same grammar
            if isinstance(delta, AnswerDelta) and not delta.text:
                continue
            self._said.add(delta)
            if self._queue.full():
                await self._queue.put(delta)  # the model waits
            else:
                self._queue.put_nowait(delta)


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
    """The message of a chat model's result."""
    generation = response.generations[0][0]
    if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
        return generation.message
    return AIMessage(generation.text)


def usage_of(message: AIMessage) -> Usage:
    counted = message.usage_metadata
    return Usage(counted["input_tokens"], counted["output_tokens"]) if counted else Usage()


def finish_reason_of(message: AIMessage) -> FinishReason:
    """Anything but a cut counts as `stop`: providers have many words for it."""
    match message.response_metadata.get("finish_reason"):
        case "length":
            return "length"
        case "content_filter":
            return "content_filter"
        case _:
            return "stop"
