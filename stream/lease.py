"""Who produces a run, for how long, and what becomes of runs that nobody produces any more."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from stream import redis_scripts as scripts
from stream.codec import dump_events, load_run
from stream.errors import ProducerLost, StorageLost
from stream.events import RunEnded, RunStarted
from stream.log import OnStop, Run
from stream.redis_scripts import Keys

TO_STOP = 2


@dataclass(slots=True)
class Held:
    """A run of this process. The token keeps a process that was stopped for long from adding."""

    run: Run
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    written: int = 0
    """Events in the log."""
    appending: asyncio.Lock = field(default_factory=asyncio.Lock)


class Leases:
    """Those of this process, renewed; and the runs of the dead, ended or begun anew."""

    def __init__(self, redis: Redis, keys: Keys, ttl: int, milliseconds: int) -> None:
        self.milliseconds = milliseconds
        self.on_stop: OnStop | None = None
        self.revive: Callable[[Run], Awaitable[RunEnded | None]]
        self._redis = redis
        self._keys = keys
        self._ttl = ttl
        self._held: dict[str, Held] = {}
        self._renew = redis.register_script(scripts.RENEW)
        self._overdue = redis.register_script(scripts.OVERDUE)
        self._end_lost = redis.register_script(scripts.END_LOST)
        self._let_go = redis.register_script(scripts.LET_GO)

    def hold(self, held: Held) -> None:
        self._held[held.run.id] = held

    def held(self, run_id: str) -> Held | None:
        return self._held.get(run_id)

    def drop(self, held: Held) -> None:
        """The same run may be held anew by then."""
        if self._held.get(held.run.id) is held:
            del self._held[held.run.id]

    def stop(self, run_id: str) -> None:
        """Somebody asks for it, perhaps from another process."""
        if run_id in self._held and self.on_stop:
            self.on_stop(run_id, None)

    async def renew(self) -> None:
        """A task. It waits for nothing else, however much there is to bury."""
        while True:
            with suppress(RedisError):  # what was not renewed in time is lost, and then says so
                await self._keep()
            await asyncio.sleep(self.milliseconds / 5000)

    async def bury(self) -> None:
        """A task. Every process tries; the scripts let one do it."""
        while True:
            with suppress(RedisError):
                await self._bury()
            await asyncio.sleep(self.milliseconds / 5000)

    async def _keep(self) -> None:
        held = list(self._held.values())
        async with self._redis.pipeline(transaction=False) as pipe:
            for each in held:
                arguments: list[Any] = [each.run.id, each.token, self.milliseconds, self._ttl]
                await self._renew(self._keys.to_stop(each.run), arguments, client=pipe)
            answers = await pipe.execute()
        for each, kept in zip(held, answers, strict=True):
            if self._held.get(each.run.id) is not each:
                continue  # it has ended meanwhile
            if not kept and self.on_stop:
                self.on_stop(each.run.id, ProducerLost())
            elif kept == TO_STOP:  # the signal came before the run was ours
                self.stop(each.run.id)

    async def holds(self, held: Held) -> bool:
        """Whether the lease is still ours, and if so, for its whole length from now on."""
        arguments: list[Any] = [held.run.id, held.token, self.milliseconds, self._ttl]
        return bool(await self._renew(self._keys.to_stop(held.run), arguments))

    async def let_go(self, held: Held, *, failed: bool) -> None:
        """The run is overdue from now on."""
        arguments: list[Any] = [held.run.id, held.token, 0 if failed else -1]
        await self._let_go(self._keys.of(held.run), arguments)

    async def _bury(self) -> None:
        for run_id in await self._overdue([self._keys.running]):
            with suppress(ResponseError):  # what is wrong with one keeps no other from its end
                await self._bury_one(run_id)

    async def _bury_one(self, run_id: str) -> None:
        kept = await self._redis.get(self._keys.run(run_id))
        try:
            run = load_run(kept or "")
        except StorageLost:
            await self._redis.zrem(self._keys.running, run_id)
        else:
            await self._end(run)

    async def _end(self, run: Run) -> None:
        """Or begin it anew."""
        if await self._redis.exists(self._keys.lease(run.id)):
            return
        if (end := await self.revive(run)) is None:
            return
        start = RunStarted(run.id, run.thread_id)
        arguments: list[Any] = [run.id, dump_events([end]), dump_events([start, end])]
        await self._end_lost(self._keys.to_stop(run), [*arguments, self._ttl])
