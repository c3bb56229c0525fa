"""What the log on Redis promises beside the contract: bounds, retries, other processes."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from stream import redis, redis_scripts, tail
from stream.codec import dump_events, dump_run
from stream.errors import Busy, Conflict, Gone, NotFound, StorageLost
from stream.events import RunCompleted
from stream.log import START, Cursor, NotACursor, Run, follow
from stream.redis_eviction import warn_of_eviction
from tests.redis_server import redis_server, shared_redis
from tests.stream.logs import RUN, deltas, events, replay, waiting
from tests.stream.processes import FOREVER, Processes, followed, held, processes, until

pytestmark = pytest.mark.anyio
END = [RunCompleted()]


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


# What is kept, and for how long.


async def test_a_trimmed_run_is_gone_where_it_was_trimmed(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    for text in "abcdef":
        await log.append(RUN.id, deltas(text))
    await several.redis.xtrim(several.keys.log(RUN.id), maxlen=2, approximate=False)
    for cursor in "0123":
        with pytest.raises(Gone):
            await log.read(RUN.id, Cursor(cursor), 0)
    assert await events(log, Cursor("4")) == deltas("ef")


async def test_the_log_is_bounded(several: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "MAX_ENTRIES", 100)
    log = await several.open()
    await log.create(RUN)
    for number in range(500):
        await log.append(RUN.id, deltas([number]))
    assert 100 <= len(await several.entries()) <= 250
    with pytest.raises(Gone):
        await log.read(RUN.id, START, 0)
    assert await events(log, Cursor("499")) == deltas([499])


async def test_a_follower_who_is_overtaken_by_the_trimming_is_told(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.append(RUN.id, deltas("a"))
    reader = follow(log, RUN.id, START, FOREVER)
    assert [entry.event for entry in await anext(reader)] == deltas("a")
    for text in "bcd":
        await log.append(RUN.id, deltas(text))
    await several.redis.xtrim(several.keys.log(RUN.id), maxlen=1, approximate=False)
    rest = [entry async for batch in reader for entry in batch]
    assert [(entry.cursor, entry.event) for entry in rest] == [
        ("1", Gone("This part of the run is no longer kept.").as_event())
    ]


async def test_after_its_time_it_is_not_found(several: Processes) -> None:
    log = await several.open(lease=0.1, ttl=0.2)
    await log.create(RUN)
    await log.append(RUN.id, [*deltas("a"), *END])
    await until(lambda: _is_gone(several))
    assert await log.find(RUN.id) is None
    for attempt in (log.read(RUN.id, START, FOREVER), log.last(RUN.id)):
        with pytest.raises(NotFound):
            await attempt


async def test_everything_has_a_time_to_live(several: Processes) -> None:
    log, other = await several.open(), await several.open()
    await log.create(RUN)
    await log.append(RUN.id, deltas("a"))
    reader = asyncio.create_task(followed(other))
    await until(lambda: log.followed(RUN.id))
    async for key in several.redis.scan_iter(f"{several.prefix}:*"):
        assert key == several.keys.running or await several.redis.pttl(key) > 0, key
    await log.append(RUN.id, END)
    await reader


async def _is_gone(several: Processes) -> bool:
    return not await several.redis.exists(several.keys.run(RUN.id), several.keys.log(RUN.id))


async def test_a_run_that_is_gone_takes_nothing_more(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await several.redis.delete(several.keys.run(RUN.id))
    with pytest.raises(StorageLost):
        await log.append(RUN.id, deltas("a"))
    assert await several.entries() == []


async def test_a_log_that_was_dropped_in_mid_run_ends_its_followers(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.append(RUN.id, deltas("abc"))
    reader = follow(log, RUN.id, START, 0.01)
    assert len(await anext(reader)) == 3
    await several.redis.delete(several.keys.log(RUN.id))  # as a Redis that is full may
    rest = [entry.event async for batch in reader for entry in batch]
    assert rest == [StorageLost().as_event()]


# A command that arrives twice.


async def test_a_run_is_created_once(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    arguments = [RUN.id, "another token", dump_run(RUN), 60_000, 60_000, 1]
    assert await log._create(several.keys.of(RUN), arguments) == "created"
    await log.append(RUN.id, deltas("a"))
    assert await several.redis.zcard(several.keys.running) == 1


@pytest.mark.parametrize("last", [deltas("b"), END], ids=["in mid-run", "the end"])
async def test_a_batch_is_appended_once(several: Processes, last: list) -> None:
    log = await several.open()
    await log.create(RUN)
    holder = held(log)
    await log.append(RUN.id, deltas("a"))
    await log.append(RUN.id, last)
    again = [RUN.id, holder.token, 2, dump_events(last), int(last == END)]
    assert await log._appends.add(several.keys.of(RUN), again) == "added"
    assert await events(log) == [*deltas("a"), *last]


async def test_what_redis_refuses_is_storage_lost(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await several.redis.set(several.keys.log(RUN.id), "no stream")
    with pytest.raises(StorageLost):
        await log.append(RUN.id, deltas("a"))
    with pytest.raises(NotFound):
        await log.append(RUN.id, deltas("b"))


# Other processes.


async def test_a_thread_has_one_run_in_all_processes(several: Processes) -> None:
    one, other = await several.open(), await several.open()
    second = Run("second", RUN.thread_id, RUN.principal, "Ho?")
    assert await other.running(RUN.principal, RUN.thread_id) is None
    await one.create(RUN)
    assert await other.running(RUN.principal, RUN.thread_id) == RUN.id
    with pytest.raises(Conflict):
        await other.create(second)
    await other.create(Run("theirs", RUN.thread_id, "else", "Ho?"))
    await one.append(RUN.id, END)
    assert await other.running(RUN.principal, RUN.thread_id) is None
    await other.create(second)


async def test_the_limit_is_for_all_processes(several: Processes) -> None:
    one, other = await several.open(), await several.open()
    await one.create(RUN, 1)
    with pytest.raises(Busy) as caught:
        await other.create(Run("second", "elsewhere", RUN.principal, "Ho?"), 1)
    assert caught.value.retry_after
    await one.append(RUN.id, END)
    await other.create(Run("second", "elsewhere", RUN.principal, "Ho?"), 1)


async def test_asking_for_a_stop_reaches_the_process_that_has_the_run(several: Processes) -> None:
    one, other, silent = await several.open(), await several.open(), await several.open()
    stopped: list[object] = []
    one.on_stop(lambda *asked: stopped.append(("one", *asked)))
    other.on_stop(lambda *asked: stopped.append(("other", *asked)))
    await one.create(RUN)
    await silent.stop("unknown")
    await other.stop(RUN.id)
    await until(lambda: stopped)
    assert stopped == [("one", RUN.id, None)]
    await one.append(RUN.id, END)
    await other.stop(RUN.id)
    await other.create(Run("next", "elsewhere", RUN.principal, "Ho?"))
    await other.stop("next")
    await until(lambda: len(stopped) > 1)
    assert stopped[1:] == [("other", "next", None)], "a run that has ended cannot be stopped"


async def test_a_reader_counts_in_the_other_processes(several: Processes) -> None:
    one, other = await several.open(), await several.open()
    await one.create(RUN)
    await one.append(RUN.id, deltas("a"))
    here = asyncio.create_task(followed(one))
    await until(lambda: one._tails.followed())
    assert not await one.followed(RUN.id), "one's own readers are known"
    there = asyncio.create_task(followed(other))
    await until(lambda: one.followed(RUN.id))
    await one.append(RUN.id, END)
    assert await here == await there == [*deltas("a"), *END]


async def test_what_one_writes_the_other_reads(several: Processes) -> None:
    one, other = await several.open(), await several.open()
    await one.create(RUN)
    readers = [asyncio.create_task(followed(log)) for log in (one, other)]
    for text in "abcdef":
        await one.append(RUN.id, deltas(text))
        await asyncio.sleep(0)
    await one.append(RUN.id, END)
    assert await asyncio.gather(*readers) == [[*deltas("abcdef"), *END]] * 2
    assert await other.find(RUN.id) == RUN


# Many readers, few connections.


async def test_hundreds_of_followers_use_a_handful_of_connections(several: Processes) -> None:
    producer, log = await several.open(), await several.open()
    await producer.create(RUN)
    readers = [asyncio.create_task(followed(log)) for _ in range(300)]
    await until(lambda: (joined := log._tails.get(RUN.id)) and len(joined._waiting) == 300)
    for text in "abc":
        await producer.append(RUN.id, deltas(text))
    clients = [each for each in await several.redis.client_list() if each["name"] == "lastword"]
    assert len(clients) <= 2 * redis.CONNECTIONS
    assert sum(int(each["sub"]) > 0 for each in clients) == 2, "one for each process"
    await producer.append(RUN.id, END)
    assert await asyncio.gather(*readers) == [[*deltas("abc"), *END]] * 300


async def test_cancelled_readers_are_gone_at_once(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    readers = [asyncio.create_task(log.read(RUN.id, START, FOREVER)) for _ in range(30)]
    await asyncio.sleep(0)  # each is somewhere on its way
    for place, reader in enumerate(readers):
        for _ in range(place):
            await asyncio.sleep(0)
        reader.cancel()
    _, pending = await asyncio.wait(readers, timeout=FOREVER / 2)
    assert not pending
    assert all(reader.cancelled() for reader in readers)
    await log.append(RUN.id, deltas("a"))
    assert await events(log) == deltas("a"), "no answer reached the wrong one"


async def test_a_reader_far_behind_the_others(
    several: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "WINDOW", 10)
    log = await several.open()
    await log.create(RUN)
    said = deltas(range(100))
    fast = asyncio.create_task(followed(log))
    slow = follow(log, RUN.id, START, FOREVER)
    first = asyncio.create_task(anext(slow))
    await waiting(fast, first)
    for event in said:
        await log.append(RUN.id, [event])
    got = list(await first)
    await until(lambda: (read := log._tails.get(RUN.id)) and read.begin > 50)
    await log.append(RUN.id, END)
    got += [entry async for batch in slow for entry in batch]
    assert [entry.event for entry in got] == await fast == [*said, *END]


async def test_a_run_that_nobody_reads_is_let_go(
    several: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "IDLE", 0.0)
    log = await several.open()
    await log.create(RUN)
    reader = asyncio.create_task(log.read(RUN.id, START, FOREVER))
    await until(lambda: log._tails.get(RUN.id))
    await log.append(RUN.id, deltas("a"))
    await reader
    await until(lambda: not log._tails.get(RUN.id))
    await log.append(RUN.id, deltas("b"))
    assert await events(log) == deltas("ab")


async def test_a_reader_ahead_of_the_others(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.append(RUN.id, deltas("ab"))
    await log._tails.join(RUN.id)
    await until(lambda: (heard := log._tails.get(RUN.id)) and heard.hearing)
    reader = asyncio.create_task(log.read(RUN.id, Cursor("2"), FOREVER))
    await until(lambda: (heard := log._tails.get(RUN.id)) and heard.is_awaited)
    await log.append(RUN.id, deltas("c"))
    assert [entry.event for entry in await reader] == deltas("c")
    assert await replay(log) == await log.read(RUN.id, START, 0)


@pytest.mark.parametrize("published", ["", "1 []", "1 nonsense", "one [1]"])
async def test_what_is_none_of_ours_ends_its_followers_only(
    several: Processes, published: str
) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.create(Run("other", "other", RUN.principal, "Ho?"))
    broken = asyncio.create_task(followed(log))
    sound = asyncio.create_task(followed(log, run_id="other"))
    await until(lambda: len(log._tails.followed()) == 2)
    await several.redis.xadd(several.keys.log(RUN.id), {"no": "events"}, id="0-1")
    await several.redis.publish(several.keys.log(RUN.id), published)
    await several.redis.publish(several.keys.signals, "no run")
    assert await broken == [StorageLost().as_event()]
    await log.append("other", END)
    assert await sound == END


async def test_a_cursor_of_another_run(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    with pytest.raises(NotACursor):
        await log.read(RUN.id, Cursor("1"), FOREVER)


def test_the_scripts_say_what_their_keys_are() -> None:
    keys = redis_scripts.Keys("p")
    assert keys.of(RUN) == [
        "p:run:run",
        "p:log:run",
        "p:lease:run",
        "p:thread:somebody/thread",
        "p:running",
        "p:job:run",
    ]


# A Redis that drops what it likes.


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "noeviction"])
async def test_eviction_is_warned_of(caplog: pytest.LogCaptureFixture, policy: str) -> None:
    with redis_server() as server:
        async with processes(server.url) as several:
            await several.redis.config_set("maxmemory-policy", policy)
            with caplog.at_level(logging.WARNING, "lastword"):
                await warn_of_eviction(several.redis)
    assert [policy in record.message for record in caplog.records] == (
        [] if policy == "noeviction" else [True]
    )


async def test_eviction_is_asked_for_as_soon_as_redis_is_there(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.redis_eviction.PAUSE", 0.01)
    with redis_server() as server:
        async with processes(server.url) as several:
            server.kill()
            asked = asyncio.create_task(warn_of_eviction(several.redis))
            await waiting(asked)
            server.start("--maxmemory-policy", "allkeys-lru")
            with caplog.at_level(logging.WARNING, "lastword"):
                await asked
    assert "allkeys-lru" in caplog.text


async def test_where_config_is_forbidden_nothing_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis_server() as server:
        async with processes(server.url) as several:
            await several.redis.execute_command("ACL", "SETUSER", "default", "-config")
            with caplog.at_level(logging.WARNING, "lastword"):
                await warn_of_eviction(several.redis)
    assert not caplog.records
