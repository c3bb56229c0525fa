"""Appends of many runs go out together, and what is wrong with one is nothing to the others."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stream import appending
from stream.appending import Appends
from stream.codec import dump_events
from stream.errors import ProducerLost, StorageLost
from stream.events import RunCompleted
from stream.log import Run
from tests.redis_server import shared_redis
from tests.stream.logs import RUN, deltas, events, waiting
from tests.stream.processes import Processes, held, processes

pytestmark = pytest.mark.anyio
MANY = [Run(f"run {n}", f"thread {n}", RUN.principal, "Hi?") for n in range(50)]


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


async def scripts_called(several: Processes) -> int:
    stats = await several.redis.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


@pytest.mark.parametrize(("most", "steps"), [(100, range(1, 10)), (1, range(50, 60))])
async def test_what_comes_at_once_goes_out_together(
    several: Processes, monkeypatch: pytest.MonkeyPatch, most: int, steps: range
) -> None:
    monkeypatch.setattr(appending, "MOST", most)
    log = await several.open()
    for run in MANY:
        await log.create(run)
    before = await scripts_called(several)
    await asyncio.gather(*(log.append(run.id, deltas([run.id])) for run in MANY))
    assert await scripts_called(several) - before in steps
    for run in MANY:
        await log.append(run.id, [RunCompleted()])
        assert await events(log, run_id=run.id) == [*deltas([run.id]), RunCompleted()]


async def test_what_is_wrong_with_one_run_is_nothing_to_the_others(several: Processes) -> None:
    log = await several.open()
    lost, broken, unknown, sound = MANY[:4]
    for run in (lost, broken, unknown, sound):
        await log.create(run)
    await several.redis.delete(several.keys.lease(lost.id), several.keys.run(unknown.id))
    await several.redis.set(several.keys.log(broken.id), "no stream")
    appends = [log.append(run.id, deltas("a")) for run in (lost, broken, unknown, sound)]
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(each) for each in outcomes] == [ProducerLost, StorageLost, StorageLost, type(None)]
    assert await events(log, run_id=sound.id) == deltas("a")


async def test_what_nobody_waits_for_is_not_added(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    appends = Appends(several.redis, 60_000, 100)
    entry = [RUN.id, held(log).token, 1, dump_events(deltas("a")), 0]
    adding = asyncio.create_task(appends.add(several.keys.of(RUN), entry))
    await waiting(adding)
    adding.cancel()
    await asyncio.wait([adding])
    other = asyncio.create_task(appends.add(several.keys.of(RUN), [*entry[:2], 2, entry[3], 0]))
    running = asyncio.create_task(appends.run())
    assert await other == "added"
    assert [entry_id for entry_id, _ in await several.entries()] == ["0-2"]
    running.cancel()
    await asyncio.wait([running])


async def test_whoever_leaves_on_the_way_holds_up_nobody(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    for turns, leaving in enumerate(MANY[:20]):
        await log.create(leaving)
        one = asyncio.create_task(log.append(leaving.id, deltas("a")))
        other = asyncio.create_task(log.append(RUN.id, deltas([turns])))
        for _ in range(turns):
            await asyncio.sleep(0)
        one.cancel()
        await other
    assert await events(log) == deltas(range(20))
