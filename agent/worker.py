"""A worker: takes runs from the queue and performs them, so many at once."""

import asyncio
import logging

from agent.execution import Execution
from agent.runner import Runner
from stream.errors import StorageLost
from stream.queue import RunQueue

logger = logging.getLogger("lastword")


async def work(runner: Runner, queue: RunQueue, most: int, stopping: asyncio.Event) -> None:
    """Take runs until told to stop, and wait for those in progress as long as they may take."""
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(_take(runner, queue, most))
        await stopping.wait()
        taking.cancel()
    runner.shut_down()
    await runner.drained()


async def _take(runner: Runner, queue: RunQueue, most: int) -> None:
    places = asyncio.Semaphore(most)
    async with asyncio.TaskGroup() as tasks:
        while True:
            await places.acquire()
            job = await queue.take()
            try:
                execution = await runner.take_on(job)
            except StorageLost:  # it was written by a version that knows more: let another try
                logger.warning("run %s cannot be read", job.run.id)
                await queue.give_back(job.run.id, failed=True)
                places.release()
                continue
            tasks.create_task(_free_when_ended(places, execution))


async def _free_when_ended(places: asyncio.Semaphore, execution: Execution) -> None:
    await execution.ended.wait()
    places.release()
