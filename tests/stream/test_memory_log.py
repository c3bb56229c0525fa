"""What only the log in a dict does: it forgets, by the clock and by size."""

import asyncio

import pytest

from stream.errors import NotFound
from stream.events import AnswerDelta, RunCancelled, RunCompleted, RunFailed, SourceFound
from stream.log import START, Run
from stream.memory import OVERHEAD, MemoryLog
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


RUN_SIZE = 3_000
"""Of a run with a text of this length, and a little."""


def small_log(clock: Clock, runs: int) -> MemoryLog:
    return MemoryLog(TTL, clock, max_size=runs * (RUN_SIZE + 5 * OVERHEAD))


async def kept_of(log: MemoryLog, *run_ids: str) -> list[str]:
    return [run_id for run_id in run_ids if await log.find(run_id)]


async def test_too_much_text_drops_the_runs_that_ended_first(clock) -> None:
    log = small_log(clock, runs=3)
    for run_id in ("running", "first", "second"):
        await create(log, run_id, AnswerDelta("x" * RUN_SIZE))
    for run_id in ("second", "first"):
        await log.append(run_id, [RunCompleted()])
    await create(log, "third", AnswerDelta("x" * RUN_SIZE))
    assert await kept_of(log, "running", "first", "second", "third") == [
        "running",
        "first",
        "third",
    ]
    await create(log, "fourth", AnswerDelta("x" * RUN_SIZE))
    assert await kept_of(log, "running", "first", "third", "fourth") == [
        "running",
        "third",
        "fourth",
    ]


async def test_a_dropped_run_is_as_an_expired_one(clock) -> None:
    log = small_log(clock, runs=1)
    await create(log, "run", RunCompleted())
    await create(log, "other", AnswerDelta("x" * 2 * RUN_SIZE))
    assert await log.find("run") is None
    for use in (log.read("run", START, 0), log.last("run"), log.append("run", deltas("b"))):
        with pytest.raises(NotFound):
            await use


async def test_runs_in_progress_are_never_dropped(clock) -> None:
    log = small_log(clock, runs=1)
    for run_id in "abc":
        await create(log, run_id, AnswerDelta("x" * RUN_SIZE))
    assert await kept_of(log, *"abc") == [*"abc"]


async def test_who_follows_a_run_can_read_its_end_however_long_it_is(clock) -> None:
    log = small_log(clock, runs=1)
    await create(log, "run")
    reader = asyncio.create_task(log.read("run", (await log.last("run")).cursor, 60))
    await asyncio.sleep(0)
    said = [AnswerDelta("x" * 2 * RUN_SIZE), RunCompleted()]
    await log.append("run", said)
    assert [entry.event for entry in await reader] == said
    assert await events(log) == [*deltas("a"), *said]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("x" * RUN_SIZE, []),
        ("", [AnswerDelta("x" * RUN_SIZE)]),
        ("", [SourceFound(1, "", "", "x" * RUN_SIZE, 0.5)]),
        ("", [AnswerDelta("x")] * (RUN_SIZE // OVERHEAD)),
    ],
    ids=["question", "answer", "source", "many events"],
)
async def test_what_counts(clock, question: str, said: list) -> None:
    """Whatever is said, and asked: asking and leaving fills no memory."""
    log = small_log(clock, runs=10)
    for n in range(100):
        await log.create(Run(str(n), "thread", "somebody", question))
        await log.append(str(n), [*said, RunCancelled()])
    kept = len(await kept_of(log, *map(str, range(100))))
    assert 9 <= kept <= 11
    clock.now += TTL
    assert await kept_of(log, "99") == []
    assert (log._size, log._runs, [*log._ended]) == (0, {}, [])


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
    assert log._runs["run"].readers._readers == set()
