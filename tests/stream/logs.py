"""Every log by name: a new one is one line here, and the whole contract is checked for it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from stream.events import AnswerDelta, Event
from stream.log import START, Cursor, Entry, Run, StreamLog
from stream.memory import MemoryLog
from stream.redis import open_redis_log
from tests.redis_server import shared_redis

RUN = Run(id="run", thread_id="thread", principal="somebody", question="Hi?")


@asynccontextmanager
async def in_memory() -> AsyncIterator[StreamLog]:
    yield MemoryLog()


@asynccontextmanager
async def on_redis() -> AsyncIterator[StreamLog]:
    prefix = secrets.token_hex(4)
    async with open_redis_log(shared_redis().url, ttl=60, prefix=prefix) as log:
        yield log


LOGS: dict[str, Callable[[], AbstractAsyncContextManager[StreamLog]]] = {
    "memory": in_memory,
    "redis": on_redis,
}


def deltas(texts: Sequence[object]) -> list[Event]:
    return [AnswerDelta(str(text)) for text in texts]


async def replay(log: StreamLog, after: Cursor = START, run_id: str = RUN.id) -> list[Entry]:
    """All that there is after a cursor, in as many reads as it takes."""
    entries: list[Entry] = []
    while batch := await log.read(run_id, after, 0):
        entries += batch
        after = batch[-1].cursor
    return entries


async def events(log: StreamLog, after: Cursor = START, run_id: str = RUN.id) -> list[Event]:
    return [entry.event for entry in await replay(log, after, run_id)]


async def waiting(*tasks: "asyncio.Task[object]") -> None:
    """Let tasks run until they wait for something."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
