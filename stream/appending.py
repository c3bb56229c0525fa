"""Appends of many runs in one step: what comes while Redis is busy with some goes out together.

So the busier a process is, the less each of them costs.
"""

import asyncio
from typing import Any, NamedTuple

from redis.asyncio import Redis

from stream import redis_scripts as scripts
from stream.errors import StorageLost
from stream.redis_connection import storage

MOST = 100
"""Entries in one step. Redis does nothing else meanwhile."""


class _Append(NamedTuple):
    keys: list[str]
    arguments: list[Any]
    outcome: "asyncio.Future[str]"


class Appends:
    """Those of a process. `run` is a task."""

    def __init__(self, redis: Redis, ttl: int, max_entries: int) -> None:
        self._bounds = [ttl, max_entries]
        self._append = redis.register_script(scripts.APPEND)
        self._waiting: list[_Append] = []
        self._some = asyncio.Event()

    async def add(self, keys: list[str], arguments: list[Any]) -> str:
        """What became of one entry: `added`; `lost`, since the lease is another's; `unknown`, since
        the run is no longer kept; `refused`, since Redis failed.
        """
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Append(keys, arguments, outcome))
        self._some.set()
        return await outcome

    async def run(self) -> None:
        while True:
            await self._some.wait()
            awaited = [each for each in self._waiting if not each.outcome.done()]
            now, self._waiting = awaited[:MOST], awaited[MOST:]
            if not self._waiting:
                self._some.clear()
            try:
                outcomes = await self._done(now)
            except StorageLost:
                outcomes = ["refused"] * len(now)
            for each, outcome in zip(now, outcomes, strict=True):
                if not each.outcome.done():  # else its caller has lost patience
                    each.outcome.set_result(outcome)

    async def _done(self, appends: list[_Append]) -> list[str]:
        keys = [key for each in appends for key in each.keys]
        arguments = [argument for each in appends for argument in each.arguments]
        async with storage():
            outcomes: Any = await self._append(keys, [*self._bounds, *arguments])
        return list(outcomes)
