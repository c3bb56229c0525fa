"""Connections to Redis that give up in time, and what becomes of their errors."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from stream.errors import StorageLost

TIMEOUT = 2.0
"""Seconds for one attempt at a command."""
PATIENCE = 6.0
"""Seconds for a command with all its attempts, and for one of the connections to be free."""


class FairPool(ConnectionPool):
    """Who has waited longest is next. In redis-py's own pool a newcomer may go first, for seconds:
    then leases are lost for want of a connection.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._places = asyncio.Semaphore(self.max_connections)
        self._is_over = False

    async def get_connection(self, *_: Any, **__: Any) -> Connection:
        if self._is_over:
            raise NoConnection("The log is closed.")
        await self._wait()
        connection: Connection = self.get_available_connection()  # type: ignore[no-untyped-call]  # redis-py annotates no types here
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE if self._places.locked() else None):
                await self._places.acquire()
        except TimeoutError:
            raise NoConnection("No connection is free.") from None

    async def release(self, connection: Any) -> None:
        try:
            await super().release(connection)
        finally:
            self._places.release()

    async def finish(self) -> None:
        """No more commands; those under way may end. A reader may be later than the log's end, and
        its connection would outlive the loop.
        """
        self._is_over = True
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                for _ in range(self.max_connections):
                    await self._places.acquire()


@asynccontextmanager
async def connect(url: str, connections: int, retries: int) -> AsyncIterator[Redis]:
    """Opens connections when they are needed, at most so many, and closes them at the end."""
    pool = FairPool.from_url(
        url,
        max_connections=connections,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries),
        client_name="lastword",
        driver_info=None,  # else each new connection looks it up on the disk
        decode_responses=True,
    )
    async with Redis.from_pool(pool) as redis:
        try:
            yield redis
        finally:
            await pool.finish()


@asynccontextmanager
async def storage() -> AsyncIterator[None]:
    """Raises `StorageLost` for all that goes wrong with Redis."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except (RedisError, TimeoutError) as error:
        raise StorageLost("The log cannot be reached.") from error
    if (task := asyncio.current_task()) and task.cancelling():
        # redis-py sends with `wait_for`, which swallows a cancellation before Python 3.12.
        raise asyncio.CancelledError


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks that talk to Redis, until they are over."""
    pending = set(tasks)
    while pending:  # a cancellation may be swallowed: see `storage`
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)
