"""What is published may be missed. What is kept is read all the same: no loss, nothing twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stream.codec import dump_events
from stream.events import RunCompleted
from stream.log import START, Cursor
from tests.redis_server import shared_redis
from tests.stream.logs import RUN, deltas, events
from tests.stream.processes import FOREVER, Processes, followed, held, processes, until

pytestmark = pytest.mark.anyio
END = [RunCompleted()]


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


async def cut(several: Processes) -> None:
    """Every connection that listens is gone."""
    await several.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


async def test_what_was_kept_but_not_heard(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    reader = asyncio.create_task(followed(log))
    await log.append(RUN.id, deltas("a"))
    await until(lambda: (heard := log._tails.get(RUN.id)) and heard.end == 1)
    await several.redis.xadd(
        several.keys.log(RUN.id), {"events": dump_events(deltas("bc"))}, id="0-3"
    )
    held(log).written = 3
    await log.append(RUN.id, [*deltas("d"), *END])
    assert await reader == [*deltas("abcd"), *END]


async def test_what_is_heard_twice(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    reader = asyncio.create_task(followed(log))
    for end, text in enumerate("abc", 1):
        await log.append(RUN.id, deltas(text))
        again = dump_events(deltas("abc"[:end]))
        await several.redis.publish(several.keys.log(RUN.id), f"{end} {again}")
    await log.append(RUN.id, END)
    assert await reader == [*deltas("abc"), *END]


async def test_a_connection_that_is_cut_again_and_again(several: Processes) -> None:
    producer, log = await several.open(), await several.open()
    await producer.create(RUN)
    readers = [asyncio.create_task(followed(log)) for _ in range(3)]
    said = deltas(range(300))
    for number, event in enumerate(said):
        await producer.append(RUN.id, [event])
        if number % 50 == 10:
            await cut(several)
        if number % 50 == 40:
            await until(lambda: log.ready)
    await cut(several)
    await producer.append(RUN.id, END)
    assert await asyncio.gather(*readers) == [[*said, *END]] * 3
    assert await events(log) == [*said, *END]


async def test_a_follower_who_comes_while_nothing_is_heard(several: Processes) -> None:
    producer, log = await several.open(), await several.open()
    await producer.create(RUN)
    await cut(several)
    await until(lambda: not log.ready)
    reader = asyncio.create_task(followed(log))
    await until(lambda: log._tails.get(RUN.id))
    await producer.append(RUN.id, [*deltas("a"), *END])
    assert await reader == [*deltas("a"), *END]


async def test_a_run_that_is_let_go_before_it_was_heard(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log._tails.join(RUN.id)
    log._tails._drop(RUN.id)
    await several.redis.publish(several.keys.log(RUN.id), "1 []")
    reader = asyncio.create_task(log.read(RUN.id, START, FOREVER))
    await until(lambda: (heard := log._tails.get(RUN.id)) and heard.is_awaited and heard.hearing)
    await log.append(RUN.id, deltas("a"))
    assert [entry.event for entry in await reader] == deltas("a")
    assert await log.read(RUN.id, Cursor("1"), 0) == []
