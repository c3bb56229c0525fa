"""What a conversation remembers: its last exchanges, on a LangGraph checkpointer.

An exchange is the user's text and the final answer. Tool calls, thoughts and
formats are the business of one run and are not kept. Threads are filed under
who they belong to, so nobody can name another's.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointMetadata, empty_checkpoint

from stream.errors import StorageLost

WINDOW = 5
"""Exchanges that a model is reminded of."""
PATIENCE = 6.0
"""Seconds for whatever keeps the memory."""

_CHANNEL = "exchanges"
_ONE_ROW = "00000000-0000-6000-8000-000000000000"
"""Every write replaces the one before: the window is all that is ever read."""


class Exchange(NamedTuple):
    """What the user asked, and what the answer was, or as far as it went."""

    question: str
    answer: str

    def messages(self) -> list[dict[str, str]]:
        """As the chat messages of every API: `role` and `content`."""
        return [
            {"role": "user", "content": self.question},
            {"role": "assistant", "content": self.answer},
        ]


class Memory:
    """The last `window` exchanges of each thread. Everything may raise `StorageLost`."""

    def __init__(self, saver: BaseCheckpointSaver[Any], window: int = WINDOW) -> None:
        self._saver = saver
        self._window = window

    async def load(self, principal: str, thread_id: str) -> list[Exchange]:
        """Oldest first; empty for a thread that never was."""
        async with _storage():
            kept = await self._saver.aget_tuple(_config(principal, thread_id))
            values = kept.checkpoint["channel_values"][_CHANNEL] if kept else []
            pairs = json.loads(values) if isinstance(values, str) else values  # lists: formerly
            return [Exchange(*pair) for pair in pairs][-self._window :] if self._window else []

    async def add(
        self,
        principal: str,
        thread_id: str,
        exchange: Exchange,
        before: Sequence[Exchange] | None = None,
    ) -> None:
        """Remember an exchange. The caller sees to it that a thread has one run at a time.

        `before` is what came before it, if somebody knows better than the memory.
        """
        if not self._window:
            return
        if before is None:
            before = await self.load(principal, thread_id)
        window = [*before, exchange][-self._window :]
        checkpoint = empty_checkpoint()
        checkpoint["id"] = _ONE_ROW
        # As one text: PostgreSQL's saver puts anything else into a table of its own, where what is
        # there stays, and PostgreSQL takes no NUL but as JSON's escape.
        checkpoint["channel_values"] = {_CHANNEL: json.dumps(window)}
        checkpoint["channel_versions"] = {_CHANNEL: 1}
        async with _storage():
            await self._saver.aput(
                _config(principal, thread_id),
                checkpoint,
                CheckpointMetadata(source="update"),
                {_CHANNEL: 1},
            )

    async def forget(self, principal: str, thread_id: str) -> None:
        """Forget a thread. Forgetting what never was is no error."""
        async with _storage():
            await self._saver.adelete_thread(_key(principal, thread_id))


@asynccontextmanager
async def _storage() -> AsyncIterator[None]:
    """Every database has exceptions of its own, and a patience."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except Exception as error:
        raise StorageLost("The conversation's memory cannot be reached.") from error


def _config(principal: str, thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": _key(principal, thread_id), "checkpoint_ns": ""}}


def _key(principal: str, thread_id: str) -> str:
    return f"{principal}/{thread_id}"
