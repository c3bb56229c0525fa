"""Connections are shared fairly, and none is lost."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as NoConnection

from stream import redis_connection
from stream.redis_connection import connect
from tests.redis_server import redis_server, shared_redis

pytestmark = pytest.mark.anyio


async def test_who_has_waited_longest_is_next() -> None:
    """Also before somebody who comes when a connection is just free."""
    order: list[str] = []
    async with connect(shared_redis().url, 1, 0) as redis:
        pool = redis.connection_pool

        async def use(name: str) -> None:
            connection = await pool.get_connection()
            order.append(name)
            await pool.release(connection)

        held = await pool.get_connection()
        waiting = [asyncio.create_task(use(name)) for name in "abc"]
        await asyncio.sleep(0)
        await pool.release(held)
        await use("new")
        await asyncio.gather(*waiting)
    assert order == ["a", "b", "c", "new"]


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_connection, "PATIENCE", 0.0)
    async with connect(shared_redis().url, 1, 0) as redis:
        pool = redis.connection_pool
        held = await pool.get_connection()
        with pytest.raises(NoConnection, match="No connection is free"):
            await pool.get_connection()
        await pool.release(held)
        assert await redis.ping()


async def test_one_that_cannot_be_made_takes_no_place() -> None:
    with redis_server() as server:
        async with connect(server.url, 1, 0) as redis:
            server.kill()
            for _ in range(3):
                with pytest.raises(NoConnection, match="Connect"):
                    await redis.ping()
            server.start()
            assert await redis.ping()
