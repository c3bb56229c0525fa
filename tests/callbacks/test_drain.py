"""Draining the queue into batches."""

import asyncio

import pytest

from callbacks.handler import drain
from stream.events import AnswerDelta, RunCancelled, RunCompleted, RunFailed

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("end", [RunCompleted(), RunCancelled(), RunFailed("internal", "Oh.")])
async def test_what_is_queued_comes_in_one_batch_up_to_the_end(end) -> None:
    queue = asyncio.Queue()
    said = [AnswerDelta(str(n)) for n in range(100)]
    for event in [*said, end]:
        queue.put_nowait(event)
    assert [batch async for batch in drain(queue)] == [[*said, end]]


async def test_a_batch_whenever_there_is_something() -> None:
    queue = asyncio.Queue(2)
    batches = drain(queue)
    for n in range(3):
        waiting = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0)
        assert not waiting.done()
        await queue.put(AnswerDelta(str(n)))
        assert await waiting == [AnswerDelta(str(n))]
    await queue.put(RunCompleted())
    assert [batch async for batch in batches] == [[RunCompleted()]]


async def test_a_full_queue_loses_nothing() -> None:
    queue = asyncio.Queue(1)
    said = [*(AnswerDelta(str(n)) for n in range(500)), RunCompleted()]

    async def speak() -> None:
        for event in said:
            await queue.put(event)

    speaker = asyncio.create_task(speak())
    heard = [event async for batch in drain(queue) for event in batch]
    await speaker
    assert heard == said
