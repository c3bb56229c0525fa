"""Redis away, frozen, restarted, emptied: followers go on or are told, and never hang."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis import Redis

from stream import redis, redis_connection
from stream.errors import NotFound, StorageLost
from stream.events import RunCompleted
from stream.log import START, Cursor, follow
from stream.queue import Job
from stream.redis import open_redis_log
from tests.redis_server import RedisServer, redis_server
from tests.stream.logs import RUN, deltas, events
from tests.stream.processes import FOREVER, Processes, followed, held, processes, until

pytestmark = pytest.mark.anyio
END = [RunCompleted()]
LOST = StorageLost().as_event()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def several(server: RedisServer, anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(server.url) as several:
        yield several


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at once."""
    monkeypatch.setattr(redis, "RETRIES", 0)
    monkeypatch.setattr(redis_connection, "PATIENCE", 1.0)


async def test_what_comes_after_its_end_opens_no_connection(server: RedisServer) -> None:
    async with open_redis_log(server.url, FOREVER) as log:
        await log.create(RUN)
        under_way = [asyncio.create_task(log.find(RUN.id)) for _ in range(2 * redis.CONNECTIONS)]
        await until(lambda: log.ready)
    found = await asyncio.gather(*under_way, return_exceptions=True)
    assert all(each == RUN or isinstance(each, StorageLost) for each in found)
    with pytest.raises(StorageLost):
        await log.find(RUN.id)
    with Redis.from_url(server.url) as client:
        assert [each["name"] for each in client.client_list()] == [""], "who asks is alone"


async def test_what_is_appended_behind_a_gap(server: RedisServer, several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    server.freeze()
    first = asyncio.create_task(log.append(RUN.id, deltas("a")))
    second = asyncio.create_task(log.append(RUN.id, deltas("b")))
    await until(lambda: held(log).appending.locked())
    first.cancel()
    await asyncio.wait([first])
    server.thaw()
    with pytest.raises(NotFound):
        await second


async def test_emptied_in_mid_answer(several: Processes) -> None:
    producer, log = await several.open(), await several.open()
    await producer.create(RUN)
    reader = asyncio.create_task(followed(log))
    await producer.append(RUN.id, deltas("a"))
    await until(lambda: (tail := log._tails.get(RUN.id)) and tail.end == 1)
    await several.redis.flushall()
    with pytest.raises(StorageLost):
        await producer.append(RUN.id, deltas("b"))
    async with asyncio.timeout(FOREVER / 2):
        assert await reader == [*deltas("a"), LOST]


async def test_a_process_that_stood_still(several: Processes, monkeypatch, caplog) -> None:
    """The sign of life and the end of waiting for one are due at once."""
    monkeypatch.setattr(redis_connection, "TIMEOUT", 1.1)
    log = await several.open()
    before = await listening(several)
    time.sleep(1.3)  # noqa: ASYNC251  all of the process stands still

    async def is_there_again() -> bool:
        return log.ready and bool(await listening(several) - before)

    await until(is_there_again)
    assert not [said for said in caplog.messages if said.endswith("goes on.")]


async def listening(several: Processes) -> set[str]:
    clients: Any = await several.redis.client_list(_type="pubsub")
    return {client["id"] for client in clients}


@pytest.mark.usefixtures("_impatient")
async def test_away_at_the_start(server: RedisServer, several: Processes) -> None:
    server.kill()
    log = await several.open_unready()
    assert not log.ready
    for attempt in (
        log.create(RUN),
        log.find(RUN.id),
        log.last(RUN.id),
        log.read(RUN.id, START, 0),
        log.running(RUN.principal, RUN.thread_id),
        log.followed(RUN.id),
        log.stop(RUN.id),
    ):
        with pytest.raises(StorageLost):
            await attempt
    assert not log.ready
    server.start()
    await until(lambda: log.ready)
    await log.create(RUN)
    reader = asyncio.create_task(followed(log))
    await log.append(RUN.id, [*deltas("a"), *END])
    assert await reader == [*deltas("a"), *END]


async def test_killed_and_started_again_readers_and_writers_go_on(
    server: RedisServer, several: Processes
) -> None:
    one, other = await several.open(), await several.open()
    await one.create(RUN)
    await one.append(RUN.id, deltas("ab"))
    readers = [asyncio.create_task(followed(log)) for log in (one, other) for _ in range(3)]
    await until(lambda: one._tails.followed() and other._tails.followed())
    server.kill()
    writing = asyncio.create_task(one.append(RUN.id, deltas("cd")))
    server.start()
    await writing
    await one.append(RUN.id, END)
    assert await asyncio.gather(*readers) == [[*deltas("abcd"), *END]] * 6
    assert await events(other) == [*deltas("abcd"), *END]


async def test_frozen_in_mid_append_nothing_is_doubled(
    server: RedisServer, several: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "TIMEOUT", 1.1)
    monkeypatch.setattr(redis_connection, "PATIENCE", FOREVER)
    monkeypatch.setattr(redis, "RETRIES", 50)
    one, other = await several.open(), await several.open()
    await one.create(RUN)
    await one.append(RUN.id, deltas("ab"))
    reader = asyncio.create_task(followed(other))
    await until(lambda: other._tails.followed())
    server.freeze()
    writing = asyncio.create_task(one.append(RUN.id, [*deltas("cd"), *END]))
    await until(lambda: not one.ready)  # what was asked then has gone unanswered
    server.thaw()
    await writing
    assert await reader == [*deltas("abcd"), *END]
    assert await events(one) == [*deltas("abcd"), *END]


@pytest.mark.usefixtures("_impatient")
async def test_away_in_mid_run_followers_are_told(server: RedisServer, several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.append(RUN.id, deltas("a"))
    readers = [asyncio.create_task(followed(log, heartbeat=1.0)) for _ in range(5)]
    fresh = asyncio.create_task(followed(log, Cursor("1"), heartbeat=1.0))
    await until(lambda: (tail := log._tails.get(RUN.id)) and len(tail._waiting) == 6)
    server.kill()
    assert await asyncio.gather(*readers) == [[*deltas("a"), LOST]] * 5
    assert await fresh == [LOST]
    await until(lambda: not log.ready)
    with pytest.raises(StorageLost):
        await log.append(RUN.id, deltas("b"))
    server.start()
    await until(lambda: log.ready)
    assert await events(log) == deltas("a"), "the cursor of the last word is still good"


async def test_started_again_empty_followers_are_told(
    server: RedisServer, several: Processes
) -> None:
    one, other = await several.open(), await several.open()
    await one.create(RUN)
    await one.append(RUN.id, deltas("a"))
    readers = [asyncio.create_task(followed(log)) for log in (one, other)]
    waiting = follow(other, RUN.id, Cursor("1"), FOREVER)
    late = asyncio.create_task(anext(waiting))
    await until(lambda: (tail := other._tails.get(RUN.id)) and len(tail._waiting) == 2)
    server.kill()
    server.lose_everything()
    server.start()
    assert await asyncio.gather(*readers) == [[*deltas("a"), LOST]] * 2
    assert [entry.event for entry in await late] == [LOST]
    with pytest.raises(StorageLost):
        await one.append(RUN.id, deltas("b"))


@pytest.mark.usefixtures("_impatient")
async def test_it_closes_also_while_redis_is_away(server: RedisServer) -> None:
    async with processes(server.url) as several:
        log = await several.open()
        reader = asyncio.create_task(log.read("unknown", START, FOREVER))
        server.freeze()
        reader.cancel()
        await asyncio.wait([reader])
        assert reader.cancelled()
    server.thaw()


@pytest.mark.usefixtures("_impatient")
async def test_a_worker_waits_also_while_redis_is_away(
    server: RedisServer, several: Processes
) -> None:
    worker = await several.open()
    taking = asyncio.create_task(worker.queue.take())
    server.kill()
    await until(lambda: not worker.ready)
    server.start()
    web = await several.open()
    await web.create(RUN)
    await web.queue.put(Job(RUN, "{}"))
    assert await taking == Job(RUN, "{}")
