"""This project's handler, and its grammar alone."""

import asyncio
from typing import Any

from langchain_core.outputs import ChatGenerationChunk

from bench.fidelity.base import RESULT, RUN, Server, taken
from callbacks.chunks import chunks_of
from callbacks.filters.registry import grammar
from callbacks.handler import FinalAnswerHandler
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, Event


class Lastword(Server):
    """This project's handler; text that may be taken back is held, as for plain text."""

    def __init__(self, name: str) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._handler = FinalAnswerHandler(self._queue, grammar(name))
        self._uncertain = ""
        self.hear = self._handler.on_llm_new_token

    async def begin(self) -> None:
        await self._handler.on_chat_model_start({}, [[]], run_id=RUN)

    async def end(self) -> None:
        await self._handler.on_llm_end(RESULT, run_id=RUN)

    async def finish(self) -> None:
        await self._handler.finish(None)  # it gets no help from what the agent returned

    def take(self) -> str:
        shown = ""
        for event in taken(self._queue):
            match event:
                case AnswerDelta(text=text, certain=True):
                    shown += text
                case AnswerDelta(text=text):
                    self._uncertain += text
                case AnswerConfirmed():
                    shown, self._uncertain = shown + self._uncertain, ""
                case AnswerRetracted():
                    self._uncertain = ""
                case _:
                    pass
        return shown


class Grammar(Server):
    """This project's grammar without the handler: only for what it costs."""

    def __init__(self, name: str) -> None:
        self._grammar = grammar(name)()
        self.hear = self._read

    def _read(self, token: str, *, chunk: ChatGenerationChunk, **_: Any) -> None:
        for piece in chunks_of(token, chunk.message):
            self._grammar.feed(piece)

    async def end(self) -> None:
        self._grammar.close()

    def take(self) -> str:
        return ""
