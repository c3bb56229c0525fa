"""The queue of runs on a Redis stream.

The queue only hands a run over: to take it is to hold it. From then on its lease keeps it,
as it keeps every run, and whoever finds that lease overdue puts the run back, if it can begin
anew.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from stream import redis_queue_scripts as scripts
from stream.codec import dump_events, load_run
from stream.errors import LastwordError, NotFound, ProducerLost, RunTimeout, StorageLost
from stream.events import Event, RunCancelled, RunEnded
from stream.lease import TO_STOP, Held, Leases
from stream.log import Run
from stream.queue import Job, RunQueue
from stream.redis_connection import storage
from stream.redis_scripts import STOP, Keys
from stream.revival import prelude

WAITING = 300_000
"""Milliseconds that a run waits for a worker."""
ATTEMPTS = 3
"""A run that brings down whoever takes it must not bring down all."""
BLOCK = 1_000
"""Milliseconds; less than the connection's timeout."""
PAUSE = 0.2


class RedisQueue(RunQueue):
    """See `stream.queue.RunQueue`. It is a part of a `RedisLog`."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        leases: Leases,
        ttl: int,
        said: Callable[[str], Awaitable[list[Event]]],
        *,
        restart: bool,
    ) -> None:
        """`said` tells all events of a run.

        `restart`: of runs that are put here, to take back a certain answer too. It is kept with
        the run, so that it does not matter which process finds that its worker is gone.
        """
        self._redis = redis
        self._keys = keys
        self._leases = leases
        self._ttl = ttl
        self._said = said
        self._restart = restart
        self._hand_over = redis.register_script(scripts.HAND_OVER)
        self._take = redis.register_script(scripts.TAKE)
        self._put_back = redis.register_script(scripts.PUT_BACK)
        self._stop = redis.register_script(STOP)
        leases.revive = self.revive

    async def put(self, job: Job) -> None:
        run = job.run
        if (held := self._leases.held(run.id)) is None:
            raise NotFound("There is no such run of this process.")
        restart = int(self._restart)
        arguments: list[Any] = [run.id, held.token, job.order, restart, self._ttl, WAITING]
        try:
            async with storage():
                kept = await self._hand_over(self._keys.to_stop(run), arguments)
                await self._stop_if(kept, run)
        finally:
            self._leases.drop(held)  # else a run that nobody knows of would be kept for ever
        if not kept:
            raise StorageLost

    async def take(self) -> Job:
        while True:
            token = secrets.token_hex(8)
            run, order, written = await self._taken(token)
            # One of a version that knows more is lost with its lease, and then another's to take.
            with suppress(StorageLost):
                held = Held(load_run(run), token, written)
                self._leases.hold(held)
                return Job(held.run, order)

    async def give_back(self, run_id: str, *, failed: bool = False) -> None:
        if held := self._leases.held(run_id):
            self._leases.drop(held)
            async with storage():
                await self._leases.let_go(held, failed=failed)

    async def revive(self, run: Run) -> RunEnded | None:
        """Put a lost run back, if it was in the queue and can begin anew; else how it ends."""
        fields = ("attempts", "entry", "restart")
        job: Any = await self._redis.hmget(self._keys.job(run.id), fields)
        attempts, waiting, restart = job
        if await self._redis.exists(self._keys.stopping(run.id)):
            return RunCancelled()
        if waiting:
            return RunTimeout("No worker has taken the run.").as_event()
        if attempts is None or int(attempts) >= ATTEMPTS:
            return ProducerLost().as_event()
        try:
            events = prelude(await self._said(run.id), restart=restart == "1")
        except LastwordError:  # some of it is gone
            events = None
        if events is not None and await self._is_put_back(run, events):
            return None
        return ProducerLost().as_event()

    async def _is_put_back(self, run: Run, events: list[Event]) -> bool:
        payload = dump_events(events) if events else ""
        arguments: list[Any] = [run.id, payload, len(events), self._ttl, WAITING]
        kept: Any = await self._put_back(self._keys.to_stop(run), arguments)
        await self._stop_if(kept, run)
        return bool(kept)

    async def _stop_if(self, kept: int, run: Run) -> None:
        """Somebody wanted it just before it was in the queue."""
        if kept == TO_STOP:
            arguments: list[Any] = [run.id, dump_events([RunCancelled()]), self._ttl]
            await self._stop(self._keys.to_stop(run), arguments)

    async def _taken(self, token: str) -> tuple[str, str, int]:
        """What is known of a run that this token holds now, its order, how many events it has."""
        keys = [self._keys.queue, self._keys.taken(token)]
        arguments: list[Any] = [token, self._leases.milliseconds]
        while True:
            try:
                async with storage():
                    if taken := await self._take(keys, arguments):
                        run, order, written = taken
                        return run, order, written
                    # Nothing waits, and what comes is only looked at.
                    await self._redis.xread({self._keys.queue: "0"}, count=1, block=BLOCK)
            except StorageLost:
                await asyncio.sleep(PAUSE)
