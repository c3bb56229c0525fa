"""One reader for all the runs that this process follows, whatever their number.

What is added to a log is published as well, and one connection hears of all the runs that
are followed. What is published may be missed. The numbers of the events show it, and then
Redis is asked. What was heard stays for a while, so that a thousand followers of a run cost as
much as one.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from redis.asyncio import Connection, Redis
from redis.exceptions import RedisError

from stream.codec import load_events
from stream.errors import LastwordError, StorageLost
from stream.log import Cursor, Entry, is_end
from stream.redis_connection import storage
from stream.redis_scripts import Keys
from stream.waiting import Waiting

WINDOW = 1_000
"""Entries of a run that are kept for its followers; who is further behind asks Redis."""
BEAT = 1.0
"""Seconds between two signs of life; less than the connection's timeout."""
IDLE = 2.0
"""Seconds that a run without a waiting follower is still heard."""
PAUSE = 0.1
UNKNOWN = -1

OnSignal: TypeAlias = Callable[[str], None]
_hearings = itertools.count(1)


class Tail:
    """The end of one run's log, as it grows.

    It begins somewhere: whoever is told that nothing comes after a place may wait there.
    """

    def __init__(self) -> None:
        self.begin = self.end = UNKNOWN
        self.hearing = 0
        """A number for the time since which all that is said is heard; 0 if it is not."""
        self.idle_since = asyncio.get_running_loop().time()
        self._entries: list[Entry] = []
        self._waiting = Waiting()

    def after(self, place: int, most: int) -> list[Entry]:
        """What came after a place, if that is still here: otherwise nothing."""
        start = place - self.begin
        return self._entries[start : start + most] if start >= 0 else []

    def add(self, entries: Sequence[Entry], end: int) -> None:
        """What is here already comes again where a command was tried again."""
        fresh = min(end - self.end, len(entries))
        if fresh <= 0:
            return
        if self.end + fresh < end:  # something was missed: it is in Redis
            self._begin(end - fresh)
        self._entries += entries[-fresh:]
        self.end = end
        if len(self._entries) > 2 * WINDOW:
            del self._entries[:-WINDOW]
            self.begin = self.end - WINDOW
        self.wake()

    def settle(self, place: int, hearing: int) -> None:
        """Redis had nothing after this place, when it was asked during that hearing."""
        if self.hearing == hearing and self.end < place:
            self._begin(place)

    def lose(self) -> None:
        """What is said from now on is not heard."""
        self.hearing = 0
        self._begin(UNKNOWN)

    def begin_hearing(self) -> None:
        """From now on all is heard. What was said before may have been missed."""
        self.lose()
        self.hearing = next(_hearings)
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
            self.idle_since = asyncio.get_running_loop().time()

    def _begin(self, place: int) -> None:
        self._entries = []
        self.begin = self.end = place


class Tails:
    """All of them. `run` and `beat` are tasks; `connected` says whether Redis answered last."""

    def __init__(self, redis: Redis, keys: Keys, on_signal: OnSignal) -> None:
        """Every run id that somebody publishes as a signal is given to `on_signal`.

        One connection of `redis` is for us alone.
        """
        self._pool: Any = redis.connection_pool  # redis-py annotates little of it
        self._keys = keys
        self._on_signal = on_signal
        self._tails: dict[str, Tail] = {}
        self._dropped: set[str] = set()
        self._line: Connection | None = None
        self.connected = False
        self.released = False

    def get(self, run_id: str) -> Tail | None:
        return self._tails.get(run_id)

    def followed(self) -> list[str]:
        """The runs that somebody waits for, or did a moment ago."""
        return list(self._tails)

    async def join(self, run_id: str) -> None:
        """Follow a run from here on, which nobody follows yet."""
        self._tails[run_id] = Tail()
        self._dropped.discard(run_id)
        await self._send("SUBSCRIBE", self._keys.log(run_id))

    def release(self) -> None:
        """Nobody is kept waiting any more."""
        self.released = True
        for tail in self._tails.values():
            tail.wake()

    async def run(self) -> None:
        while True:
            with suppress(RedisError):
                await self._listen()
            await asyncio.sleep(PAUSE)

    async def beat(self) -> None:
        """Without a sign of life a lost connection would only seem to be silent."""
        while True:
            self._drop_idle()
            dropped = [self._keys.log(run_id) for run_id in self._dropped]
            self._dropped.clear()
            command = ["UNSUBSCRIBE", *dropped] if dropped else ["PING"]
            await self._send(*command)
            await asyncio.sleep(BEAT)

    async def _send(self, *command: str) -> None:
        """Where that fails `run` learns of it too, and begins anew with all that is followed."""
        if self._line and self._line.is_connected:  # else it would connect by itself
            # It may be closed by `run` while redis-py is about to write: then there is no writer.
            with suppress(StorageLost, AttributeError):
                async with storage():
                    await self._line.send_command(*command)

    async def _listen(self) -> None:
        line = self._line = await self._pool.get_connection()
        try:
            channels = [self._keys.signals, *map(self._keys.log, self._tails)]
            await line.send_command("SUBSCRIBE", *channels)
            while True:
                self._hear(await line.read_response(push_request=True))
        finally:
            self._line, self.connected = None, False
            for tail in self._tails.values():
                tail.lose()
            await line.disconnect(nowait=True)
            await self._pool.release(line)

    def _hear(self, said: Any) -> None:
        match said:
            case ["message", self._keys.signals, text]:
                self._on_signal(text)
            case ["message", channel, text]:
                self._grow(self._run_of(channel), text)
            case ["subscribe", self._keys.signals, _]:
                self.connected = True
            case ["subscribe", channel, _]:
                if tail := self._tails.get(self._run_of(channel)):
                    tail.begin_hearing()
            case _:
                pass  # the answer to a sign of life

    def _run_of(self, channel: str) -> str:
        return channel.removeprefix(self._keys.log(""))

    def _grow(self, run_id: str, text: str) -> None:
        if not (tail := self._tails.get(run_id)):
            return
        try:
            number, _, payload = text.partition(" ")
            entries = decoded(int(number), payload)
            tail.add(entries, int(number))
            over = is_end(entries[-1].event)
        except (LastwordError, ValueError, LookupError):
            over = True  # who reads on asks Redis, and is told
            tail.wake()
        if over:
            self._drop(run_id)

    def _drop(self, run_id: str) -> None:
        del self._tails[run_id]
        self._dropped.add(run_id)

    def _drop_idle(self) -> None:
        horizon = asyncio.get_running_loop().time() - IDLE
        for run_id, tail in list(self._tails.items()):
            if not tail.is_awaited and tail.idle_since < horizon:
                self._drop(run_id)


def decoded(last: int, payload: str) -> list[Entry]:
    """The events of an entry, of which the last has this number. Raises `StorageLost`."""
    events = load_events(payload)
    first = last - len(events) + 1
    return [Entry(Cursor(str(number)), event) for number, event in enumerate(events, first)]
