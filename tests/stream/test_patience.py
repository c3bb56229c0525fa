"""Waits that are bounded by one timer."""

import asyncio

import pytest

from stream.patience import Patience

pytestmark = pytest.mark.anyio
SOON = 0.1
FOREVER = 3600.0


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_wait_that_is_too_long() -> None:
    patience = Patience(SOON)
    with pytest.raises(TimeoutError), patience:
        await forever()
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0
    patience.close()


async def test_many_short_waits_use_one_timer() -> None:
    patience = Patience(FOREVER)
    timers = set()
    for _ in range(100):
        with patience:
            await asyncio.sleep(0)
        timers.add(patience._timer)
    assert len(timers) == 1
    patience.close()
    assert timers.pop().cancelled()


async def test_time_between_waits_does_not_count() -> None:
    patience = Patience(SOON)
    with patience:
        pass
    first = patience._timer
    while patience._timer is first:  # noqa: ASYNC110  it looked, and nobody was waiting
        await asyncio.sleep(0.001)
    with patience:
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), patience:
        await forever()
    patience.close()


async def test_a_late_wait_has_its_whole_time() -> None:
    loop = asyncio.get_running_loop()
    patience = Patience(SOON)
    with patience:
        await asyncio.sleep(0.01)
    began = loop.time()
    with pytest.raises(TimeoutError), patience:
        await forever()
    assert loop.time() - began >= SOON
    patience.close()


async def test_cancelled_by_somebody_else() -> None:
    async def wait() -> None:
        with Patience(FOREVER) as patience:
            try:
                await forever()
            finally:
                patience.close()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_by_somebody_else_at_the_same_moment() -> None:
    patience = Patience(FOREVER)

    async def wait() -> None:
        with patience:
            await forever()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    patience.seconds = 0.0
    patience._look()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    patience.close()


async def test_other_errors_pass() -> None:
    patience = Patience(FOREVER)
    with pytest.raises(KeyError), patience:
        raise KeyError
    patience.close()


async def test_closing_before_the_first_wait() -> None:
    Patience(FOREVER).close()
