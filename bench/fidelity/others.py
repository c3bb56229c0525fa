"""The servers in comparison, each as its documentation or its users use it."""

from typing import Any

from langchain_classic.callbacks.streaming_aiter import AsyncIteratorCallbackHandler
from langchain_classic.callbacks.streaming_stdout_final_only import (
    FinalStreamingStdOutCallbackHandler,
)
from langchain_core.outputs import ChatGenerationChunk

from bench.fidelity.base import PRINTED, RESULT, RUN, Server, taken
from bench.fidelity.parsers import PARSERS


class Queue(Server):
    """A handler derived from LangChain's async iterator; its reader stops at `done`."""

    def __init__(self, handler: AsyncIteratorCallbackHandler) -> None:
        self._handler = handler
        self._gone = False
        self.hear = handler.on_llm_new_token

    async def begin(self) -> None:
        await self._handler.on_llm_start({}, [""], run_id=RUN)

    async def end(self) -> None:
        await self._handler.on_llm_end(RESULT, run_id=RUN)

    def take(self) -> str:
        shown = "" if self._gone else "".join(taken(self._handler.queue))
        self._gone = self._gone or self._handler.done.is_set()
        return shown


class StdOut(Server):
    """LangChain's handler that prints."""

    def __init__(self, handler: FinalStreamingStdOutCallbackHandler) -> None:
        self._handler = handler
        self.hear = handler.on_llm_new_token

    async def begin(self) -> None:
        self._handler.on_llm_start({}, [""], run_id=RUN)

    async def end(self) -> None:
        self._handler.on_llm_end(RESULT, run_id=RUN)

    def take(self) -> str:
        shown = PRINTED.getvalue()
        PRINTED.seek(0)
        PRINTED.truncate()
        return shown


class Messages(Server):
    """`astream(stream_mode="messages")`: the text of every message of the agent's node."""

    def __init__(self) -> None:
        self._shown: list[str] = []
        self.hear = self._show

    def _show(self, token: str, *, chunk: ChatGenerationChunk, **_: Any) -> None:
        if chunk.message.content:
            self._shown.append(str(chunk.message.content))

    def take(self) -> str:
        shown, self._shown = "".join(self._shown), []
        return shown


class Buffering(Server):
    """Waits for the whole reply, and asks LangChain's parser of the format."""

    def __init__(self, name: str) -> None:
        self._parse = PARSERS[name]
        self._chunks: list[ChatGenerationChunk] = []
        self._shown = ""
        self.hear = self._keep

    def _keep(self, token: str, *, chunk: ChatGenerationChunk, **_: Any) -> None:
        self._chunks.append(chunk)

    async def end(self) -> None:
        self._shown, self._chunks = self._parse(self._chunks), []

    def take(self) -> str:
        shown, self._shown = self._shown, ""
        return shown
