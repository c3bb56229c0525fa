"""The log on Redis Streams: for runs that outlive a process, and for several processes.

A stream per run. A batch of the drain is one entry, whose id is `0-<number of its last
event>`: a retry of the same batch is refused, a gap can be seen, and a cursor is the
number of an event, as in the log in memory. Who produces a run holds its lease. Without
it nothing can be appended, and whoever notices ends the run, or puts it back in the queue.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import RedisError

from stream import redis_scripts as scripts
from stream.appending import Appends
from stream.codec import dump_events, dump_run, load_run
from stream.errors import Busy, Conflict, Gone, NotFound, ProducerLost, StorageLost
from stream.events import Event, RunCancelled
from stream.lease import Held, Leases
from stream.log import Cursor, Entry, NotACursor, OnStop, Run, StreamLog, is_end, position
from stream.rate import Rate, RateLimit
from stream.redis_connection import connect, end, storage
from stream.redis_eviction import warn_of_eviction
from stream.redis_queue import RedisQueue
from stream.redis_rate import RedisRateLimit
from stream.redis_scripts import Keys
from stream.tail import Tail, Tails, decoded

MAX_BATCH = 1_000
"""Events in one read."""
MAX_SIZE = 64 * 1024
"""Characters of JSON in an entry of a stream, if it holds several events; and about in one read."""
MAX_ENTRIES = 100_000
"""Of a run's stream. The oldest are trimmed, and reading there is `Gone`."""
RETRIES = 5
CONNECTIONS = 16
NO_LIMIT = 2**31
FOLLOWED = 5_000
"""Milliseconds that a follower in one process counts in the others."""
MARKING = 1.0
"""Seconds between two signs of the followers."""
PAUSE = 1.0
"""Seconds before what failed is tried again."""

logger = logging.getLogger("lastword")


Kept: TypeAlias = tuple[str, dict[str, str]]
"""An entry of a stream, as Redis gives it."""


@asynccontextmanager
async def open_redis_log(
    url: str, ttl: float, lease: float = 5.0, prefix: str = "lastword", *, restart: bool = False
) -> AsyncIterator["RedisLog"]:
    """A log and the tasks that it needs. Opens also when Redis is not there yet."""
    # What listens is on its own, and is not tried again unseen: it is how we know of a fault.
    async with connect(url, CONNECTIONS, RETRIES) as redis, connect(url, 1, 0) as listening:
        log = RedisLog(redis, listening, ttl, lease, Keys(prefix), restart=restart)
        tasks = [asyncio.create_task(_going_on(work)) for work in log.tasks]
        try:
            yield log
        finally:
            await end(tasks)


async def _going_on(work: Callable[[], Awaitable[None]]) -> None:
    """Nothing that Redis may hold ends what all runs of this process need."""
    while True:
        try:
            return await work()
        except Exception:
            logger.exception("The log on Redis: %s goes on.", work.__qualname__)
            await asyncio.sleep(PAUSE)


class RedisLog(StreamLog):
    """See `stream.log.StreamLog`. Open it with `open_redis_log`."""

    def __init__(
        self,
        redis: Redis,
        listening: Redis,
        ttl: float,
        lease: float,
        keys: Keys,
        *,
        restart: bool = False,
    ) -> None:
        """Seconds that an ended run is kept, and after which a silent producer is lost.

        `restart`: a run from the queue that is lost begins anew even in mid-answer.
        """
        self._redis = redis
        self._ttl = int(max(ttl, lease) * 1000)  # a run in progress is kept by its lease
        self._keys = keys
        self._leases = Leases(redis, self._keys, self._ttl, int(lease * 1000))
        self._tails = Tails(listening, self._keys, self._leases.stop)
        self._appends = Appends(redis, self._ttl, MAX_ENTRIES)
        self._create = redis.register_script(scripts.CREATE)
        self._stop = redis.register_script(scripts.STOP)
        self._mark_followed = redis.register_script(scripts.MARK)
        self._is_followed = redis.register_script(scripts.FOLLOWED)
        self._process = secrets.token_hex(8)
        self.queue = RedisQueue(redis, keys, self._leases, self._ttl, self._said, restart=restart)
        self.tasks = (
            self._tails.run,
            self._tails.beat,
            self._appends.run,
            self._leases.renew,
            self._leases.bury,
            self._mark,
            self._warn,
        )

    @property
    def ready(self) -> bool:
        return self._tails.connected

    def on_stop(self, stop: OnStop) -> None:
        self._leases.on_stop = stop

    async def create(self, run: Run, limit: int | None = None) -> None:
        held = Held(run)
        lease = self._leases.milliseconds
        arguments: list[Any] = [
            run.id,
            held.token,
            dump_run(run),
            self._ttl,
            lease,
            limit or NO_LIMIT,
        ]
        async with storage():
            outcome = await self._create(self._keys.of(run), arguments)
        if outcome == "conflict":
            raise Conflict
        if outcome == "busy":
            raise Busy(retry_after=1)
        self._leases.hold(held)

    async def find(self, run_id: str) -> Run | None:
        async with storage():
            kept = await self._redis.get(self._keys.run(run_id))
        return load_run(kept) if kept else None

    async def running(self, principal: str, thread_id: str) -> str | None:
        async with storage():
            run_id = await self._redis.get(self._keys.thread(principal, thread_id))
        return str(run_id) if run_id else None

    async def append(self, run_id: str, events: Sequence[Event]) -> None:
        if (held := self._leases.held(run_id)) is None:
            raise NotFound("There is no such run of this process.")
        async with held.appending:
            if self._leases.held(run_id) is not held:  # what went before did not get there
                raise NotFound("There is no such run of this process.")
            try:
                await self._add(held, events)
            except BaseException:
                self._leases.drop(held)  # there is a gap now: somebody will end it as lost
                raise

    async def _add(self, held: Held, events: Sequence[Event]) -> None:
        payload = dump_events(events)
        if len(payload) > MAX_SIZE and len(events) > 1:  # who reads holds whole entries
            half = len(events) // 2
            await self._add(held, events[:half])
            await self._add(held, events[half:])
            return
        run, number, ends = held.run, held.written + len(events), is_end(events[-1])
        arguments: list[Any] = [run.id, held.token, number, payload, int(ends)]
        async with storage():
            outcome = await self._appends.add(self._keys.of(run), arguments)
        if outcome == "lost":
            raise ProducerLost
        if outcome != "added":
            raise StorageLost
        held.written = number
        if ends:
            self._leases.drop(held)

    async def last(self, run_id: str) -> Entry:
        async with storage():
            newest: Any = await self._redis.xrevrange(self._keys.log(run_id), count=1)
        if not newest:
            raise NotFound("There is no such run, or nothing has been said in it.")
        return _decoded(newest[0])[-1]

    async def read(self, run_id: str, after: Cursor, wait: float) -> list[Entry]:
        place, clock = position(after), asyncio.get_running_loop().time
        until = clock() + wait
        tail = self._tails.get(run_id)
        entries = tail.after(place, MAX_BATCH) if tail else []
        if self._tails.released:  # an end that came with it may not have been heard
            wait = 0
        if not entries and (tail is None or tail.end != place or wait <= 0):
            entries = await self._kept(run_id, place)
        while not entries and not self._tails.released and (left := until - clock()) > 0:
            if tail := self._tails.get(run_id):
                entries = await self._heard(tail, run_id, place, left)
            else:
                await self._tails.join(run_id)
        if entries or wait <= 0 or self._tails.released:
            return entries
        return await self._kept(run_id, place)

    async def _heard(self, tail: Tail, run_id: str, place: int, seconds: float) -> list[Entry]:
        """What comes after a place. Nothing says only that it is worth asking again."""
        if (hearing := tail.hearing) and tail.end != place:
            if entries := await self._kept(run_id, place):
                return entries
            tail.settle(place, hearing)
        else:
            await tail.wait(seconds)
        return tail.after(place, MAX_BATCH)

    async def _kept(self, run_id: str, place: int) -> list[Entry]:
        """What Redis has after a place. Raises if the run or the place is not there."""
        if entries := await self._range(run_id, place):
            return entries[:MAX_BATCH]
        await self._check(run_id, place)
        return []

    async def followed(self, run_id: str) -> bool:
        async with storage():
            return bool(await self._is_followed([self._keys.followed(run_id)], [self._process]))

    async def stop(self, run_id: str) -> None:
        if (run := await self.find(run_id)) is None:
            return
        arguments: list[Any] = [run_id, dump_events([RunCancelled()]), self._ttl]
        async with storage():
            await self._stop(self._keys.to_stop(run), arguments)

    async def holds(self, run_id: str) -> bool:
        if (held := self._leases.held(run_id)) is None:
            return False
        async with storage():
            return await self._leases.holds(held)

    def rate_limit(self, rate: Rate) -> RateLimit:
        return RedisRateLimit(self._redis, self._keys, rate)

    def release(self) -> None:
        self._tails.release()

    async def _said(self, run_id: str) -> list[Event]:
        """All that is kept of a run."""
        said: list[Event] = []
        place = 0
        while entries := await self._range(run_id, place):
            said += [entry.event for entry in entries]
            place = position(entries[-1].cursor)
        return said

    async def _range(self, run_id: str, place: int) -> list[Entry]:
        """More and more at a time: they may be long, and a reader that is stuck holds its own."""
        entries, size, count = list[Entry](), 0, 4
        while size < MAX_SIZE and len(entries) < MAX_BATCH:
            async with storage():
                kept: Any = await self._redis.xrange(
                    self._keys.log(run_id), min=f"(0-{place + len(entries)}", count=count
                )
            for entry in kept:
                entries += _after(place + len(entries), entry)
                size += len(entry[1]["events"])
            if len(kept) < count:
                break
            count *= 2
        return entries

    async def _check(self, run_id: str, place: int) -> None:
        """That the run is there, and the place in it too."""
        async with storage():
            newest: Any = await self._redis.xrevrange(self._keys.log(run_id), count=1)
            known = newest or await self._redis.exists(self._keys.run(run_id))
        if not known:
            raise NotFound("There is no such run, or it is no longer kept.")
        if place > (_number(newest[0][0]) if newest else 0):
            raise NotACursor

    async def _mark(self) -> None:
        """Tell the producers in other processes that somebody is reading."""
        while True:
            with suppress(RedisError):
                async with self._redis.pipeline(transaction=False) as pipe:
                    for run_id in self._tails.followed():
                        if not self._leases.held(run_id):
                            key = self._keys.followed(run_id)
                            await self._mark_followed([key], [self._process, FOLLOWED], client=pipe)
                    await pipe.execute()
            await asyncio.sleep(MARKING)

    async def _warn(self) -> None:
        await warn_of_eviction(self._redis)


def _number(entry_id: str) -> int:
    return int(entry_id.partition("-")[2])


def _decoded(entry: Kept) -> list[Entry]:
    entry_id, fields = entry
    return decoded(_number(entry_id), fields.get("events", ""))


def _after(place: int, entry: Kept) -> list[Entry]:
    """What comes after a place. Raises `Gone` if there is a gap between: it was trimmed."""
    entries = _decoded(entry)
    known = place - (_number(entry[0]) - len(entries))
    if known < 0:
        raise Gone("This part of the run is no longer kept.")
    return entries[known:]
