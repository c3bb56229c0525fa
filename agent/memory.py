"""What a conversation remembers: its last exchanges, on a LangGraph checkpointer.

An exchange is the user's text and the final answer. Tool calls, thoughts and
formats are the business of one run and are not kept. Threads are filed under
who they belong to, so nobody can name another's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointMetadata, empty_checkpoint

from stream.errors import StorageLost

WINDOW = 5
"""Exchanges that a model is reminded of."""

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
        with _storage():
            kept = await self._saver.aget_tuple(_config(principal, thread_id))
            values = kept.checkpoint["channel_values"][_CHANNEL] if kept else []
            return [Exchange(*pair) for pair in values][-self._window :] if self._window else []

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
        checkpoint["channel_values"] = {_CHANNEL: [list(pair) for pair in window]}
        checkpoint["channel_versions"] = {_CHANNEL: 1}
        with _storage():
            await self._saver.aput(
                _config(principal, thread_id),
                checkpoint,
                CheckpointMetadata(source="update"),
                {_CHANNEL: 1},
            )

    async def forget(self, principal: str, thread_id: str) -> None:
        """Forget a thread. Forgetting what never was is no error."""
        with _storage():
            await self._saver.adelete_thread(_key(principal, thread_id))


@contextmanager
def _storage() -> Iterator[None]:
    """Every database has exceptions of its own."""
    try:
        yield
    except Exception as error:
        raise StorageLost("The conversation's memory cannot be reached.") from error


def _config(principal: str, thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": _key(principal, thread_id), "checkpoint_ns": ""}}


def _key(principal: str, thread_id: str) -> str:
    return f"{principal}/{thread_id}"
