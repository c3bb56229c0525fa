"""The log in a dict: the default, for one process."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream.errors import NotFound
from stream.events import Event
from stream.log import Cursor, Entry, NotACursor, Run, StreamLog, is_end, position
from stream.waiting import Waiting

MAX_BATCH = 1_000
"""Entries in one read. A long replay comes in slices, and others get their turn."""
MAX_SIZE = 64 * 2**20
"""Characters kept. In memory it is a small multiple of that many bytes."""
OVERHEAD = 128
"""What an event or a run weighs beside its texts, in characters."""


@dataclass(slots=True)
class _Kept:
    run: Run
    size: int
    events: list[Event] = field(default_factory=list)
    readers: Waiting = field(default_factory=Waiting)
    ended: float = math.inf


class MemoryLog(StreamLog):
    """Keeps each run until `ttl` seconds after its end. A cursor is the number of events before.

    Where `max_size` characters are not enough for that, the runs that ended first go earlier.
    """

    def __init__(
        self,
        ttl: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
        max_size: int = MAX_SIZE,
    ) -> None:
        self._ttl = ttl
        self._clock = clock
        self._max_size = max_size
        self._size = 0
        self._runs: dict[str, _Kept] = {}
        self._ended: deque[str] = deque()  # in the order of their ends

    async def create(self, run: Run, limit: int | None = None) -> None:
        self._runs[run.id] = kept = _Kept(run, 0)
        self._grow(kept, run)

    async def find(self, run_id: str) -> Run | None:
        self._forget()
        kept = self._runs.get(run_id)
        return kept.run if kept else None

    async def append(self, run_id: str, events: Sequence[Event]) -> None:
        kept = self._kept(run_id)
        kept.events.extend(events)
        self._grow(kept, *events)
        if is_end(events[-1]):
            kept.ended = self._clock()
            self._ended.append(run_id)
        kept.readers.wake()

    async def last(self, run_id: str) -> Entry:
        if not (events := self._kept(run_id).events):
            raise NotFound("Nothing has been said in this run.")
        return Entry(Cursor(str(len(events))), events[-1])

    async def read(self, run_id: str, after: Cursor, wait: float) -> list[Entry]:
        kept = self._kept(run_id)
        start = _position(after, len(kept.events))
        if start >= len(kept.events) and wait > 0:
            await kept.readers.wait(wait)
        batch = kept.events[start : start + MAX_BATCH]
        if len(batch) == MAX_BATCH:
            await asyncio.sleep(0)
        return [Entry(Cursor(str(start + n)), event) for n, event in enumerate(batch, 1)]

    def _kept(self, run_id: str) -> _Kept:
        try:
            return self._runs[run_id]
        except KeyError:
            raise NotFound("There is no such run, or it is no longer kept.") from None

    def _grow(self, kept: _Kept, *records: Event | Run) -> None:
        size = sum(map(_size, records))
        kept.size += size
        self._size += size
        self._forget()

    def _forget(self) -> None:
        horizon = self._clock() - self._ttl
        while self._ended:
            oldest = self._runs[self._ended[0]]
            if oldest.ended > horizon and self._size <= self._max_size:
                return
            del self._runs[self._ended.popleft()]
            self._size -= oldest.size


def _size(record: Any) -> int:
    """Of an event or a run: they have slots, and texts in some of them."""
    size = OVERHEAD
    for name in record.__slots__:
        value = getattr(record, name)
        if isinstance(value, str):
            size += len(value)
    return size


def _position(cursor: Cursor, events: int) -> int:
    """A place beyond the end is none: nobody would ever come there."""
    if (place := position(cursor)) > events:
        raise NotACursor
    return place
