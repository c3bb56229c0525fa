"""Signs of life among events: a reader may have nothing to say of those."""

import pytest

from stream.events import RunCompleted
from stream.log import START, StreamLog, follow
from tests.stream.logs import RUN, deltas

pytestmark = pytest.mark.anyio


async def test_however_much_comes(log: StreamLog) -> None:
    """A reader for whom each batch takes longer than that hears one after each."""
    await log.create(RUN)
    batches = follow(log, RUN.id, START, 1e-9)
    told = []
    for text in "abc":
        await log.append(RUN.id, deltas(text))
        told += [[entry.event for entry in await anext(batches)] for _ in range(2)]
    await log.append(RUN.id, [RunCompleted()])
    assert told == [each for text in "abc" for each in (deltas(text), [])]
    assert [[entry.event for entry in batch] async for batch in batches] == [[RunCompleted()]]


async def test_what_is_there_comes_first(log: StreamLog) -> None:
    await log.create(RUN)
    said = [*deltas("abc"), RunCompleted()]
    await log.append(RUN.id, said)
    batches = [batch async for batch in follow(log, RUN.id, START, 60.0)]
    assert [entry.event for batch in batches for entry in batch] == said
    assert all(batches)
