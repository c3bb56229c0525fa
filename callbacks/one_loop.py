"""Callbacks of other threads, one after the other on the loop of the run.

LangChain runs the sync parts of an agent in threads, and an async handler's hooks
there on a loop of the thread's own. A handler's state and its queue belong to one
loop, so what such a hook would do is handed over to that loop. The thread does not
wait for it: an async step that calls a model's `invoke` stops the loop meanwhile,
and would wait for ever.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, TypeVar, cast

Hook = TypeVar("Hook", bound=Callable[..., Coroutine[Any, Any, None]])


class OneLoop:
    """A handler that lives on the loop it is made in."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.handed_over: asyncio.Task[None] | None = None
        self._refuses = False

    def in_turn(self) -> bool:
        """Whether a hook may do its work as it stands."""
        return not self.handed_over and asyncio.get_running_loop() is self.loop

    async def caught_up(self) -> None:
        """What other threads said is said. Raises what that raised."""
        while (last := self.handed_over) and not last.done():
            await asyncio.wait([last])  # to await it would be to cancel it with us
        if last:
            last.result()

    def refuse(self) -> None:
        """A thread cannot be cancelled, but its next word can be refused."""
        self._refuses = True

    def hand_over(self, hook: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Called in another thread. Raises `CancelledError` after `refuse`."""
        if self._refuses:
            raise asyncio.CancelledError
        self.loop.call_soon_threadsafe(self._follow, hook)

    def _follow(self, hook: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.handed_over = self.loop.create_task(self._after(self.handed_over, hook))

    async def _after(
        self, before: asyncio.Task[None] | None, hook: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        if before:
            await before
        await hook()


def in_turn(hook: Hook) -> Hook:
    """For the hooks of such a handler."""

    @wraps(hook)
    async def called(self: OneLoop, *args: Any, **kwargs: Any) -> None:
        if asyncio.get_running_loop() is not self.loop:
            self.hand_over(partial(hook, self, *args, **kwargs))
        else:
            if self.handed_over:
                await self.caught_up()
            await hook(self, *args, **kwargs)

    return cast("Hook", called)
