"""Leases on runs: kept while their producer lives, and never longer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stream.codec import dump_events
from stream.errors import NotFound, ProducerLost
from stream.events import RunCompleted, RunStarted
from stream.log import Run
from tests.redis_server import shared_redis
from tests.stream.logs import RUN, deltas, events
from tests.stream.processes import Processes, followed, held, processes, until

pytestmark = pytest.mark.anyio
LOST = ProducerLost().as_event()
SHORT = 0.2


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


async def test_a_lease_outlives_its_length(several: Processes) -> None:
    log = await several.open(lease=SHORT)
    await log.create(RUN)
    before = await several.redis.zscore(several.keys.running, RUN.id)
    assert before

    async def renewed() -> bool:
        now = await several.redis.zscore(several.keys.running, RUN.id)
        return bool(now and now > before + 3000 * SHORT)

    await until(renewed)
    await log.append(RUN.id, [*deltas("a"), RunCompleted()])
    assert await events(log) == [*deltas("a"), RunCompleted()]


async def test_who_lost_the_lease_adds_nothing(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.append(RUN.id, deltas("a"))
    await several.forget_lease()
    with pytest.raises(ProducerLost):
        await log.append(RUN.id, deltas("b"))
    with pytest.raises(NotFound):
        await log.append(RUN.id, deltas("c"))
    assert await events(log) == deltas("a")


async def test_a_zombie_adds_nothing_also_where_its_number_is_the_ends(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.append(RUN.id, deltas("a"))
    await several.forget_lease()
    await log._leases._bury()
    with pytest.raises(ProducerLost):
        await log.append(RUN.id, deltas("b"))
    assert await events(log) == [*deltas("a"), LOST]


async def test_who_lost_the_lease_is_told_to_stop(several: Processes) -> None:
    log = await several.open(lease=SHORT)
    told: list[object] = []
    log.on_stop(lambda *stopped: told.append(stopped))
    await log.create(RUN)
    await several.redis.set(several.keys.lease(RUN.id), "another's")
    await until(lambda: told)
    run_id, reason = told[0]  # type: ignore[misc]  a pair
    assert (run_id, reason.as_event()) == (RUN.id, LOST)


async def test_a_run_that_ends_while_leases_are_renewed(several: Processes) -> None:
    log = await several.open()
    told: list[object] = []
    log.on_stop(lambda *stopped: told.append(stopped))
    await log.create(RUN)
    await several.forget_lease()
    held = log._leases.held(RUN.id)
    assert held
    keeping = asyncio.create_task(log._leases._keep())
    await asyncio.sleep(0)
    log._leases.drop(held)
    await keeping
    assert told == []


async def test_who_holds_a_lease_knows_it(several: Processes) -> None:
    log = await several.open()
    assert not await log.holds(RUN.id)
    await log.create(RUN)
    assert await log.holds(RUN.id)
    await several.forget_lease()
    assert not await log.holds(RUN.id)


async def test_a_lost_run_ends_once_however_many_try(several: Processes) -> None:
    one, *others = [await several.open() for _ in range(5)]
    await one.create(RUN)
    await one.append(RUN.id, [RunStarted(RUN.id, RUN.thread_id), *deltas("ab")])
    readers = [asyncio.create_task(followed(log)) for log in others]
    await several.forget_lease()
    await asyncio.gather(*(log._leases._bury() for log in [one, *others] * 4))
    said = [RunStarted(RUN.id, RUN.thread_id), *deltas("ab"), LOST]
    assert await asyncio.gather(*readers) == [said] * 4
    assert await events(one) == said
    assert not await several.redis.exists(several.keys.running)
    await one.create(Run("next", RUN.thread_id, RUN.principal, "Again?"))


async def test_two_that_found_the_same_run_overdue(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.append(RUN.id, deltas("a"))
    await several.forget_lease()
    end = dump_events([LOST])
    attempts = [
        log._leases._end_lost(several.keys.of(RUN), [RUN.id, end, end, 60_000]) for _ in range(9)
    ]
    assert sorted(await asyncio.gather(*attempts)) == [0] * 8 + [1]
    assert await events(log) == [*deltas("a"), LOST]


async def test_a_run_whose_lease_still_lives_is_left_alone(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await several.redis.zadd(several.keys.running, {RUN.id: 1})
    await log._leases._bury()
    await log.append(RUN.id, deltas("a"))
    assert await events(log) == deltas("a")


async def test_a_producer_that_dies_before_its_first_word(several: Processes) -> None:
    one, other = await several.open(), await several.open()
    await one.create(RUN)
    reader = asyncio.create_task(followed(other))
    await until(lambda: other._tails.followed())
    await several.forget_lease()
    await other._leases._bury()
    assert await reader == [RunStarted(RUN.id, RUN.thread_id), LOST]


@pytest.mark.parametrize("kept", [None, '{"of": "a later version"}'], ids=["none", "unreadable"])
async def test_a_run_that_cannot_be_read_is_struck_off(several: Processes, kept: object) -> None:
    log = await several.open()
    await log.create(RUN)
    await several.forget_lease()
    key = several.keys.run(RUN.id)
    await (several.redis.set(key, str(kept)) if kept else several.redis.delete(key))
    await log._leases._bury()
    assert not await several.redis.exists(several.keys.running)


async def test_the_living_bury_the_dead(several: Processes) -> None:
    async with processes(several.url) as elsewhere:
        elsewhere.prefix = several.prefix
        dead = await elsewhere.open(lease=SHORT)
        await dead.create(RUN)
        await dead.append(RUN.id, deltas("a"))
        mourner = await several.open(lease=SHORT)
        reader = asyncio.create_task(followed(mourner))
    assert await reader == [*deltas("a"), LOST]


async def test_its_token_is_no_other_runs(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    await log.create(Run("other", "other", RUN.principal, "Ho?"))
    other = log._leases.held("other")
    assert other
    assert other.token != held(log).token
