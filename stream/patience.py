"""A bound on each of many waits, most of which are short."""

import asyncio
from types import TracebackType
from typing import Self


class Patience:
    """`with patience:` around each wait, all of one task; `close` it after the last.

    `asyncio.timeout` makes and drops a timer for every wait, which on the way of
    a token costs more than the wait. Here one timer looks again now and then.
    A wait longer than `seconds`, which may be changed, raises `TimeoutError`.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._since: float | None = None  # when the wait began, while there is one
        self._timer: asyncio.TimerHandle | None = None
        self._lost = False

    def close(self) -> None:
        """No more waits."""
        if self._timer:
            self._timer.cancel()

    def __enter__(self) -> Self:
        self._since = self._loop.time()
        if self._timer is None:
            self._task = asyncio.current_task()
            self._timer = self._loop.call_later(self.seconds, self._look)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._since = None
        if self._lost and kind is asyncio.CancelledError and self._task:
            self._lost = False
            if self._task.uncancel() == 0:
                raise TimeoutError from error

    def _look(self) -> None:
        now = self._loop.time()
        since = now if self._since is None else self._since
        if now - since >= self.seconds and self._task:
            self._lost, self._timer = True, None
            self._task.cancel()
        else:
            self._timer = self._loop.call_at(since + self.seconds, self._look)
