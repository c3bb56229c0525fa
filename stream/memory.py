"""The log in a dict: the default, for one process."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stream.errors import BadRequest, NotFound
from stream.events import Event
from stream.log import Cursor, Entry, Run, is_end

MAX_BATCH = 1_000
"""Entries in one read. A long replay comes in slices, and others get their turn."""


@dataclass(slots=True)
class _Kept:
    run: Run
    events: list[Event] = field(default_factory=list)
    readers: set[asyncio.Future[None]] = field(default_factory=set)
    ended: float | None = None


class MemoryLog:
    """Keeps each run until `ttl` seconds after its end. A cursor is the number of events before."""

    def __init__(self, ttl: float = 3600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._clock = clock
        self._runs: dict[str, _Kept] = {}

    async def create(self, run: Run) -> None:
        self._forget_expired()
        self._runs[run.id] = _Kept(run)

    async def find(self, run_id: str) -> Run | None:
        self._forget_expired()
        kept = self._runs.get(run_id)
        return kept.run if kept else None

    async def append(self, run_id: str, events: Sequence[Event]) -> None:
        kept = self._kept(run_id)
        kept.events.extend(events)
        if is_end(events[-1]):
            kept.ended = self._clock()
        for reader in kept.readers:
            if not reader.done():
                reader.set_result(None)
        kept.readers.clear()

    async def last(self, run_id: str) -> Entry:
        if not (events := self._kept(run_id).events):
            raise NotFound("Nothing has been said in this run.")
        return Entry(Cursor(str(len(events))), events[-1])

    async def read(self, run_id: str, after: Cursor, wait: float) -> list[Entry]:
        kept = self._kept(run_id)
        start = _position(after, len(kept.events))
        if start >= len(kept.events) and wait > 0:
            await _wait_for_append(kept, wait)
        batch = kept.events[start : start + MAX_BATCH]
        if len(batch) == MAX_BATCH:
            await asyncio.sleep(0)
        return [Entry(Cursor(str(start + n)), event) for n, event in enumerate(batch, 1)]

    def _kept(self, run_id: str) -> _Kept:
        try:
            return self._runs[run_id]
        except KeyError:
            raise NotFound("There is no such run, or it is no longer kept.") from None

    def _forget_expired(self) -> None:
        # Runs end in nearly the order in which they were made, so this looks at few.
        horizon = self._clock() - self._ttl
        expired: list[str] = []
        for run_id, kept in self._runs.items():
            if kept.ended is None:
                continue
            if kept.ended > horizon:
                break
            expired.append(run_id)
        for run_id in expired:
            del self._runs[run_id]


def _position(cursor: Cursor, events: int) -> int:
    """Only a cursor as we write them: one from elsewhere would wait for what never comes."""
    if cursor.isascii() and cursor.isdecimal() and len(cursor) < 16:
        position = int(cursor)
        if position <= events and cursor == str(position):
            return position
    raise BadRequest("is not a cursor of this run", field="after")


async def _wait_for_append(kept: _Kept, wait: float) -> None:
    """A future per waiting reader: cheaper than a condition, and no task."""
    loop = asyncio.get_running_loop()
    reader: asyncio.Future[None] = loop.create_future()
    kept.readers.add(reader)
    timer = loop.call_later(wait, _wake, reader)
    try:
        await reader
    finally:
        timer.cancel()
        kept.readers.discard(reader)


def _wake(reader: asyncio.Future[None]) -> None:
    if not reader.done():
        reader.set_result(None)
