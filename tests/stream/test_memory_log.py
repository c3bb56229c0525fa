"""What only the log in a dict does: it forgets by the clock."""

import asyncio

import pytest

from stream.events import RunCancelled, RunCompleted, RunFailed
from stream.log import START, Run
from stream.memory import MemoryLog
from tests.stream.logs import deltas, events

pytestmark = pytest.mark.anyio
TTL = 10.0


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> MemoryLog:
    return MemoryLog(TTL, clock)


async def create(log: MemoryLog, run_id: str, *said) -> None:
    await log.create(Run(run_id, "thread", "somebody", "Hi?"))
    await log.append(run_id, [*deltas("a"), *said])


@pytest.mark.parametrize("end", [RunCompleted(), RunCancelled(), RunFailed("internal", "Oh.")])
async def test_a_run_is_kept_for_its_time_after_its_end(log, clock, end) -> None:
    await create(log, "run")
    clock.now += 5 * TTL
    await log.append("run", [end])
    clock.now += TTL - 0.1
    assert await log.find("run")
    assert await events(log) == [*deltas("a"), end]
    clock.now += 0.1
    assert await log.find("run") is None


async def test_a_run_in_progress_is_never_forgotten(log, clock) -> None:
    await create(log, "run")
    await create(log, "other", RunCompleted())
    clock.now += 100 * TTL
    await create(log, "new")
    assert await log.find("run")
    assert await log.find("other") is None


async def test_making_a_run_forgets_the_expired_ones(log, clock) -> None:
    for n in range(100):
        await create(log, str(n), RunCompleted())
        clock.now += 1
    assert list(log._runs) == [str(n) for n in range(90, 100)]
    clock.now += TTL
    await create(log, "new")
    assert list(log._runs) == ["new"]


async def test_an_event_and_the_end_of_waiting_at_once(log) -> None:
    await create(log, "run")
    reader = asyncio.create_task(log.read("run", (await log.last("run")).cursor, 1e-9))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the timer is due now, and comes after us
    await log.append("run", deltas("b"))
    assert [entry.event for entry in await reader] == deltas("b")


async def test_no_reader_is_left_behind(log) -> None:
    await create(log, "run")
    assert await log.read("run", (await log.last("run")).cursor, 0.001) == []
    assert (await log.read("run", START, 0.001)) != []
    assert log._runs["run"].readers == set()
