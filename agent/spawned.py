"""Work that goes on when whoever wants it leaves."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeAlias

Work: TypeAlias = Coroutine[None, None, None]
Spawn: TypeAlias = Callable[[Work], None]
"""Has a task group do something."""


async def to_its_end(spawn: Spawn, work: Work) -> None:
    """Wait for it, and raise what it raises; to cancel the wait does not cancel the work."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def carry_out() -> None:
        error: Exception | None = None
        try:
            await work
        except Exception as raised:  # noqa: BLE001  it is whoever waits who must know
            error = raised
        if done.done():
            return  # they have left
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)

    spawn(carry_out())
    await done
