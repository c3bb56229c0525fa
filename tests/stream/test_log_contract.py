"""What every log promises, whatever keeps it."""

import asyncio
import re

import pytest

from stream.errors import BadRequest, NotFound
from stream.events import AnswerDelta, RunCompleted, RunStarted
from stream.log import START, Cursor, Run, StreamLog
from stream.memory import MAX_BATCH
from tests.stream.logs import RUN, deltas, events, replay, waiting

pytestmark = pytest.mark.anyio
FOREVER = 60.0
"""Seconds. A test that waits so long has failed."""


@pytest.fixture(autouse=True)
async def _run(log: StreamLog) -> None:
    await log.create(RUN)


async def test_what_is_created_is_found(log: StreamLog) -> None:
    assert await log.find(RUN.id) == RUN
    assert await log.find("another") is None


async def test_what_is_appended_is_read_in_order(log: StreamLog) -> None:
    said = [RunStarted("run", "thread"), *deltas("abc"), RunCompleted()]
    await log.append(RUN.id, said[:1])
    await log.append(RUN.id, said[1:4])
    await log.append(RUN.id, said[4:])
    assert await events(log) == said
    assert await events(log) == said, "reading takes nothing away"


async def test_a_run_sees_nothing_of_another(log: StreamLog) -> None:
    await log.create(Run("other", "thread", "else", "Ho?"))
    await log.append(RUN.id, deltas("a"))
    await log.append("other", deltas("b"))
    assert await events(log) == deltas("a")
    assert await events(log, run_id="other") == deltas("b")


async def test_the_last_entry(log: StreamLog) -> None:
    for text in "abc":
        await log.append(RUN.id, deltas(text))
        last = await log.last(RUN.id)
        assert last == (await replay(log))[-1]
        assert last.event == AnswerDelta(text)


@pytest.mark.parametrize("run_id", ["unknown", "", "../run", "run\n"])
async def test_an_unknown_run(log: StreamLog, run_id: str) -> None:
    assert await log.find(run_id) is None
    with pytest.raises(NotFound):
        await log.read(run_id, START, 0)
    with pytest.raises(NotFound):
        await log.last(run_id)
    with pytest.raises(NotFound):
        await log.append(run_id, deltas("a"))


async def test_a_run_that_has_said_nothing_has_no_last_entry(log: StreamLog) -> None:
    with pytest.raises(NotFound):
        await log.last(RUN.id)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "-1", "1x", " 1", "1 ", "+1", "1.5", "٣", "²", "1_0", "01", "99", "9" * 5000, "\0"],
)
async def test_a_cursor_that_is_none(log: StreamLog, cursor: str) -> None:
    await log.append(RUN.id, deltas("ab"))
    with pytest.raises(BadRequest) as caught:
        await log.read(RUN.id, Cursor(cursor), FOREVER)
    assert caught.value.field == "after"


async def test_resuming_at_every_cursor_gives_exactly_the_rest(log: StreamLog) -> None:
    said = deltas(range(50))
    for start in range(0, 50, 7):
        await log.append(RUN.id, said[start : start + 7])
    for place, cursor in enumerate([START, *(entry.cursor for entry in await replay(log))]):
        assert await events(log, cursor) == said[place:]


async def test_cursors_are_unique_and_made_of_harmless_characters(log: StreamLog) -> None:
    await asyncio.gather(*(log.append(RUN.id, deltas([n] * 5)) for n in range(100)))
    entries = await replay(log)
    cursors = [entry.cursor for entry in entries]
    assert len(set(cursors)) == len(cursors) == 500
    assert START not in cursors
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+", cursor) for cursor in cursors)
    bursts = [entries[n : n + 5] for n in range(0, 500, 5)]
    assert all(len({entry.event for entry in burst}) == 1 for burst in bursts), "all or none"


@pytest.mark.parametrize("wait", [0.0, 0.001])
async def test_an_idle_read_comes_back_with_nothing(log: StreamLog, wait: float) -> None:
    assert await log.read(RUN.id, START, wait) == []
    await log.append(RUN.id, deltas("a"))
    assert await log.read(RUN.id, (await log.last(RUN.id)).cursor, wait) == []


async def test_a_waiting_reader_is_woken(log: StreamLog) -> None:
    reader = asyncio.create_task(log.read(RUN.id, START, FOREVER))
    await waiting(reader)
    await log.append(RUN.id, deltas("ab"))
    assert [entry.event for entry in await reader] == deltas("ab")


async def test_two_appends_before_the_reader_had_its_turn(log: StreamLog) -> None:
    reader = asyncio.create_task(log.read(RUN.id, START, FOREVER))
    await waiting(reader)
    await log.append(RUN.id, deltas("a"))
    await log.append(RUN.id, deltas("b"))
    first = await reader
    assert [e.event for e in first] + await events(log, first[-1].cursor) == deltas("ab")


async def test_a_reader_that_gave_up_harms_nobody(log: StreamLog) -> None:
    readers = [asyncio.create_task(log.read(RUN.id, START, FOREVER)) for _ in range(3)]
    await waiting(*readers)
    readers[1].cancel()
    await log.append(RUN.id, deltas("a"))
    assert [e.event for e in await readers[0]] == [e.event for e in await readers[2]] == deltas("a")
    with pytest.raises(asyncio.CancelledError):
        await readers[1]


async def test_a_hundred_readers_tail_and_each_reads_all(log: StreamLog) -> None:
    said = [*deltas(range(200)), RunCompleted()]

    async def tail() -> list[object]:
        seen: list[object] = []
        after = START
        while len(seen) < len(said):
            batch = await log.read(RUN.id, after, FOREVER)
            seen += [entry.event for entry in batch]
            after = batch[-1].cursor
        return seen

    readers = [asyncio.create_task(tail()) for _ in range(100)]
    for start in range(0, len(said), 3):
        await log.append(RUN.id, said[start : start + 3])
        if start % 2:
            await asyncio.sleep(0)
    assert await asyncio.gather(*readers) == [said] * 100


async def test_a_long_replay_comes_in_slices_and_lets_others_have_their_turn(
    log: StreamLog,
) -> None:
    said = deltas(range(3 * MAX_BATCH + 1))
    await log.append(RUN.id, said)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    seen, after, slices = [], START, 0
    while batch := await log.read(RUN.id, after, 0):
        assert len(batch) <= MAX_BATCH
        seen += [entry.event for entry in batch]
        after = batch[-1].cursor
        slices += 1
    task.cancel()
    assert seen == said
    assert slices == 4
    assert turns >= 3
