"""Following a run to its end."""

import asyncio

import pytest

from stream.errors import BadRequest, NotFound
from stream.events import AnswerDelta, RunCancelled, RunCompleted, RunFailed
from stream.log import PIECE, START, Cursor, Entry, StreamLog, follow, is_end, is_over, pieces
from tests.stream.logs import RUN, deltas, replay, waiting

pytestmark = pytest.mark.anyio
FOREVER = 60.0
ENDS = [RunCompleted(), RunCancelled(), RunFailed("internal", "Oh.")]


@pytest.fixture(autouse=True)
async def _run(log: StreamLog) -> None:
    await log.create(RUN)


async def followed(log: StreamLog, after: Cursor = START, heartbeat: float = FOREVER) -> list:
    batches = [batch async for batch in follow(log, RUN.id, after, heartbeat)]
    return [entry.event for batch in batches for entry in batch]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.type)
async def test_ends_at_the_end(log: StreamLog, end) -> None:
    assert is_end(end)
    reader = asyncio.create_task(followed(log))
    for text in "abc":
        await waiting(reader)
        await log.append(RUN.id, deltas(text))
    await waiting(reader)
    await log.append(RUN.id, [end])
    assert await reader == [*deltas("abc"), end]


async def test_resumes_at_every_cursor_of_a_run_that_is_over(log: StreamLog) -> None:
    said = [*deltas("abc"), RunCompleted()]
    await log.append(RUN.id, said)
    for place, cursor in enumerate([START, *(entry.cursor for entry in await replay(log))]):
        assert await followed(log, cursor) == said[place:]
        assert await is_over(log, RUN.id, cursor) == (place == len(said))


async def test_a_run_in_progress_is_not_over(log: StreamLog) -> None:
    await log.append(RUN.id, deltas("a"))
    assert not await is_over(log, RUN.id, (await log.last(RUN.id)).cursor)


async def test_an_empty_batch_is_the_heartbeat(log: StreamLog) -> None:
    batches = follow(log, RUN.id, START, 0.001)
    assert [await anext(batches) for _ in range(3)] == [[], [], []]
    await log.append(RUN.id, [RunCompleted()])
    assert [[entry.event for entry in batch] async for batch in batches] == [[RunCompleted()]]


async def test_no_batch_is_empty_while_something_comes(log: StreamLog) -> None:
    batches = follow(log, RUN.id, START, FOREVER)
    for text in "abc":
        next_batch = asyncio.ensure_future(anext(batches))
        await waiting(next_batch)
        await log.append(RUN.id, deltas(text))
        assert [entry.event for entry in await next_batch] == deltas(text)


async def test_what_cannot_be_followed(log: StreamLog) -> None:
    with pytest.raises(NotFound):
        await anext(follow(log, "unknown", START, FOREVER))
    with pytest.raises(NotFound):
        await anext(follow(log, "unknown", Cursor("1"), FOREVER))
    await log.append(RUN.id, [RunCompleted()])
    with pytest.raises(BadRequest):
        await anext(follow(log, RUN.id, Cursor("nonsense"), FOREVER))


def test_a_long_batch_comes_in_pieces() -> None:
    """Whoever is stuck with one holds little."""
    events = [*map(AnswerDelta, ["x" * 1000] * 1000), AnswerDelta("x" * 2 * PIECE), RunCompleted()]
    batch = [Entry(Cursor(str(n)), event) for n, event in enumerate(events, 1)]
    *cut, long, end = pieces(batch)
    assert all(PIECE <= 1000 * len(piece) < PIECE + 1000 for piece in cut)
    assert len(long) < PIECE / 1000
    assert [entry for piece in [*cut, long, end] for entry in piece] == batch


def test_a_short_batch_is_one_piece() -> None:
    batch = [Entry(Cursor("1"), AnswerDelta("x"))]
    assert [*pieces(batch)] == [batch]
    assert [*pieces([])] == [[]]
    long = [Entry(Cursor("1"), AnswerDelta("x" * PIECE))]
    assert [*pieces(long)] == [long]
