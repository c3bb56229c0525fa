"""Several logs on one Redis, as several processes have them, and a hand in what they keep."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from stream.events import Event
from stream.lease import Held
from stream.log import START, Cursor, follow
from stream.redis import RedisLog, open_redis_log
from stream.redis_scripts import Keys
from tests.stream.logs import RUN

FOREVER = 60.0
"""Seconds. A test that waits so long has failed."""


@dataclass
class Processes:
    """`redis` is the test's own connection; `open` one more process' log."""

    url: str
    redis: Redis
    stack: AsyncExitStack
    prefix: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def keys(self) -> Keys:
        return Keys(self.prefix)

    async def open(
        self, lease: float = FOREVER, ttl: float = FOREVER, *, restart: bool = False
    ) -> RedisLog:
        """It is ready when this returns, if Redis is there."""
        log = await self.open_unready(lease, ttl, restart=restart)
        await until(lambda: log.ready)
        return log

    async def open_unready(
        self, lease: float = FOREVER, ttl: float = FOREVER, *, restart: bool = False
    ) -> RedisLog:
        return await self.stack.enter_async_context(
            open_redis_log(self.url, ttl, lease, self.prefix, restart=restart)
        )

    async def forget_lease(self) -> None:
        """As if it had run out."""
        await self.redis.delete(self.keys.lease(RUN.id))
        await self.redis.zadd(self.keys.running, {RUN.id: 1})

    async def entries(self) -> list[Any]:
        return await self.redis.xrange(self.keys.log(RUN.id))


@asynccontextmanager
async def processes(url: str) -> AsyncIterator[Processes]:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.from_url(url, decode_responses=True))
        yield Processes(url, redis, stack)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds, which may be a coroutine's answer."""
    async with asyncio.timeout(30):
        while True:
            answer = condition()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.01)


async def followed(
    log: RedisLog, after: Cursor = START, run_id: str = RUN.id, heartbeat: float = FOREVER
) -> list[Event]:
    """All events up to the end."""
    batches = [batch async for batch in follow(log, run_id, after, heartbeat)]
    return [entry.event for batch in batches for entry in batch]


def held(log: RedisLog) -> Held:
    found = log._leases.held(RUN.id)
    assert found
    return found
