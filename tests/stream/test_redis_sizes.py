"""Long events on Redis: a reader that is stuck holds a few of them, never a run."""

from collections.abc import AsyncIterator

import pytest

from stream.events import RunCompleted
from stream.log import START, position
from stream.redis import MAX_BATCH, MAX_SIZE
from tests.redis_server import shared_redis
from tests.stream.logs import RUN, deltas, replay
from tests.stream.processes import Processes, processes

pytestmark = pytest.mark.anyio
END = RunCompleted()


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


async def test_a_large_batch_becomes_several_entries(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    said = [*deltas([f"{n:06}" + "x" * 5000 for n in range(200)]), END]
    await log.append(RUN.id, said)
    entries = await several.entries()
    assert all(len(fields["events"]) <= MAX_SIZE for _, fields in entries)
    assert [entry.event for entry in await replay(log)] == said
    assert await several.redis.zcard(several.keys.running) == 0, "the last of them is the end"


async def test_a_long_event_is_an_entry_of_its_own(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    said = deltas(["a", "x" * 2 * MAX_SIZE, "b"])
    await log.append(RUN.id, said)
    assert [entry.event for entry in await replay(log)] == said


async def test_a_read_brings_about_so_much(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    said = deltas([f"{n:06}" + "x" * 1000 for n in range(1000)])
    for event in said:
        await log.append(RUN.id, [event])
    batch = await log.read(RUN.id, START, 0)
    assert MAX_SIZE / 1100 < len(batch) < 3 * MAX_SIZE / 1000
    entries = await replay(log)
    assert [entry.event for entry in entries] == said
    assert [position(entry.cursor) for entry in entries] == list(range(1, 1001))


async def test_a_read_brings_so_many(several: Processes) -> None:
    log = await several.open()
    await log.create(RUN)
    said = deltas(range(2 * MAX_BATCH))
    for at in range(0, len(said), 3):
        await log.append(RUN.id, said[at : at + 3])
    assert len(await log.read(RUN.id, START, 0)) == MAX_BATCH
    assert [entry.event for entry in await replay(log)] == said
