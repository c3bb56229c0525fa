"""Who produces a run, for how long, and what becomes of runs that nobody produces any more."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from stream import redis_scripts as scripts
from stream.codec import dump_events, load_run
from stream.errors import LastwordError, ProducerLost, StorageLost
from stream.events import RunStarted
from stream.log import OnStop, Run
from stream.redis_scripts import Keys

_TO_STOP = 2


@dataclass(slots=True)
class Held:
    """A run of this process. The token keeps a process that was stopped for long from adding."""

    run: Run
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    written: int = 0
    """Events in the log."""
    appending: asyncio.Lock = field(default_factory=asyncio.Lock)


class Leases:
    """Those of this process. `run` is a task: it renews them, and ends the runs of the dead."""

    def __init__(self, redis: Redis, keys: Keys, ttl: int, milliseconds: int) -> None:
        self.milliseconds = milliseconds
        self.on_stop: OnStop | None = None
        self.revive: Callable[[Run], Awaitable[LastwordError | None]] = _never
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

    def drop(self, run_id: str) -> None:
        self._held.pop(run_id, None)

    def stop(self, run_id: str) -> None:
        """Somebody asks for it, perhaps from another process."""
        if run_id in self._held and self.on_stop:
            self.on_stop(run_id, None)

    async def run(self) -> None:
        while True:
            try:
                await self._keep()
                await self._bury()
            except (RedisError, LastwordError):
                pass  # what was not renewed in time is lost, and then says so
            await asyncio.sleep(self.milliseconds / 5000)

    async def _keep(self) -> None:
        for run_id, held in list(self._held.items()):
            arguments: list[Any] = [run_id, held.token, self.milliseconds, self._ttl]
            kept = await self._renew(self._keys.to_stop(held.run), arguments)
            if run_id not in self._held:
                continue  # it has ended meanwhile
            if not kept and self.on_stop:
                self.on_stop(run_id, ProducerLost())
            elif kept == _TO_STOP:  # the signal came before the run was ours
                self.stop(run_id)

    async def let_go(self, held: Held) -> None:
        """The run is overdue from now on."""
        await self._let_go(self._keys.of(held.run), [held.run.id, held.token])

    async def _bury(self) -> None:
        """Everybody tries; the script lets one do it."""
        for run_id in await self._overdue([self._keys.running]):
            kept = await self._redis.get(self._keys.run(run_id))
            try:
                run = load_run(kept or "")
            except StorageLost:
                await self._redis.zrem(self._keys.running, run_id)
                continue
            if (why := await self.revive(run)) is None:
                continue
            start, end = RunStarted(run.id, run.thread_id), why.as_event()
            arguments: list[Any] = [run_id, dump_events([end]), dump_events([start, end])]
            await self._end_lost(self._keys.of(run), [*arguments, self._ttl])


async def _never(_: Run) -> LastwordError | None:
    """A run that was never in a queue does not come back."""
    return ProducerLost()
