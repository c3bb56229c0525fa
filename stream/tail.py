"""One reader for all the runs that this process follows, whatever their number.

`XREAD` blocks on every followed stream at once, on one connection. What it brings stays
for a while, so that a thousand followers of a run cost as much as one.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import RedisError

from stream.codec import load_events
from stream.errors import Gone, LastwordError
from stream.log import Cursor, Entry, is_end
from stream.redis_scripts import Keys
from stream.waiting import Waiting

WINDOW = 1_000
"""Entries of a run that are kept for its followers; who is further behind asks Redis."""
BLOCK = 1_000
"""Milliseconds; less than the connection's timeout."""
IDLE = 2.0
"""Seconds that a run without a waiting follower is still read."""
PAUSE = 0.1


OnSignal: TypeAlias = Callable[[str], None]
Ring: TypeAlias = Callable[[str, str], Awaitable[None]]
Kept: TypeAlias = tuple[str, dict[str, str]]
"""An entry of a stream, as Redis gives it."""


class Tail:
    """The end of one run's log, as it grows."""

    def __init__(self, at: int) -> None:
        self.begin = self.end = at
        self._entries: list[Entry] = []
        self._waiting = Waiting()
        self.left = 0.0

    def after(self, place: int, most: int) -> list[Entry]:
        """What came after a place, if that is still here: otherwise nothing."""
        start = place - self.begin
        return self._entries[start : start + most] if start >= 0 else []

    def add(self, entries: Sequence[Entry]) -> None:
        self._entries += entries
        self.end += len(entries)
        if len(self._entries) > 2 * WINDOW:
            del self._entries[:-WINDOW]
            self.begin = self.end - WINDOW
        self.wake()

    def wake(self) -> None:
        self._waiting.wake()

    @property
    def is_awaited(self) -> bool:
        return bool(self._waiting)

    async def wait(self, seconds: float) -> None:
        """Until something was added, or something happened to the connection."""
        try:
            await self._waiting.wait(seconds)
        finally:
            self.left = asyncio.get_running_loop().time()


class Tails:
    """All of them. `run` is a task; `connected` says whether Redis answered last."""

    def __init__(self, redis: Redis, ring: Ring, keys: Keys, on_signal: OnSignal) -> None:
        """Every run id that somebody adds to the signals' stream is given to `on_signal`.

        `redis` is for what blocks; `ring` wakes it, on another connection.
        """
        self._redis = redis
        self._ring = ring
        self._keys = keys
        self._on_signal = on_signal
        self._tails: dict[str, Tail] = {}
        self._bell = keys.bell(secrets.token_hex(8))
        self._places: dict[str, str] = {}
        self.connected = False
        self.released = False

    def get(self, run_id: str) -> Tail | None:
        return self._tails.get(run_id)

    def followed(self) -> list[str]:
        """The runs that somebody waits for, or did a moment ago."""
        return list(self._tails)

    async def join(self, run_id: str, place: int) -> Tail:
        """Follow a run from here on."""
        if (tail := self._tails.get(run_id)) is None:
            tail = self._tails[run_id] = Tail(place)
            tail.left = asyncio.get_running_loop().time()
            # What blocks does not know of this run yet.
            await self._ring(self._bell, run_id)
            tail = self._tails.setdefault(run_id, tail)  # it may have been dropped meanwhile
        return tail

    def release(self) -> None:
        """Nobody is kept waiting any more."""
        self.released = True
        for tail in self._tails.values():
            tail.wake()

    async def run(self) -> None:
        while True:
            try:
                if not self.connected:
                    await self._connect()
                await self._round()
            except RedisError:
                self.connected = False
                await asyncio.sleep(PAUSE)

    async def _connect(self) -> None:
        newest: Any = await self._redis.xrevrange(self._keys.signals, count=1)
        if not self._places:
            self._places = {self._keys.signals: newest[0][0] if newest else "0-0"}
        self.connected = True
        for tail in self._tails.values():
            tail.wake()  # their readers ask Redis, and learn what has become of the run

    async def _round(self) -> None:
        self._drop_idle()
        followed = {self._keys.log(run_id): run_id for run_id in self._tails}
        places: dict[Any, Any] = {self._bell: "0-0", **self._places}
        places |= {key: f"0-{self._tails[run_id].end}" for key, run_id in followed.items()}
        answer: Any = await self._redis.xread(places, count=WINDOW, block=BLOCK)
        for key, entries in answer or ():
            if run_id := followed.get(key):
                self._grow(run_id, entries)
                continue
            self._places[key] = entries[-1][0]
            if key == self._keys.signals:
                for _, fields in entries:
                    self._on_signal(fields.get("run", ""))

    def _grow(self, run_id: str, entries: Sequence[Kept]) -> None:
        tail = self._tails[run_id]
        try:
            for entry in entries:
                tail.add(decoded(entry, tail.end))
            over = is_end(tail.after(tail.end - 1, 1)[0].event)
        except LastwordError:
            over = True  # who reads on asks Redis, and is told
            tail.wake()
        if over:
            del self._tails[run_id]

    def _drop_idle(self) -> None:
        horizon = asyncio.get_running_loop().time() - IDLE
        for run_id, tail in list(self._tails.items()):
            if not tail.is_awaited and tail.left < horizon:
                del self._tails[run_id]


def decoded(entry: Kept, after: int | None) -> list[Entry]:
    """The events of an entry of the stream that come after a place, or all of them.

    Raises `Gone` if there is a gap between them and that place: it was trimmed.
    """
    entry_id, fields = entry
    events = load_events(fields.get("events", ""))
    last = int(entry_id.partition("-")[2])
    first = last - len(events) + 1
    after = first - 1 if after is None else after
    if first > after + 1:
        raise Gone("This part of the run is no longer kept.")
    return [
        Entry(Cursor(str(number)), event)
        for number, event in enumerate(events, first)
        if number > after
    ]
