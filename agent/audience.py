"""Who is listening to a run, and what happens when nobody is."""

import asyncio
from collections.abc import Callable

from agent.request import OnDisconnect

ARRIVAL = 10.0
"""Seconds in which the first reader must come."""
_GRACE = {"continue": None, "cancel": 0.0}


class Audience:
    """The readers that one process knows of."""

    def __init__(self, on_disconnect: OnDisconnect, abandon: Callable[[], None]) -> None:
        """`abandon` is called when nobody has been listening for as long as allowed."""
        self._abandon = abandon
        self._grace = _GRACE[on_disconnect] if isinstance(on_disconnect, str) else on_disconnect
        self._readers = 0
        self._over = False
        self._leaving: asyncio.TimerHandle | None = None
        self.wait()  # whoever asked may have left before reading a word

    @property
    def is_there(self) -> bool:
        return self._readers > 0

    def join(self) -> None:
        self._readers += 1
        self._settle()

    def leave(self) -> None:
        self._readers -= 1
        if self._readers == 0 and not self._over:
            self._wait(self._grace)

    def wait(self) -> None:
        """Somebody may come yet."""
        if self._grace is not None:
            self._wait(max(self._grace, ARRIVAL))

    def close(self) -> None:
        """The run is over: nobody needs to be waited for."""
        self._over = True
        self._settle()

    def _wait(self, seconds: float | None) -> None:
        if seconds is not None:
            self._leaving = asyncio.get_running_loop().call_later(seconds, self._abandon)

    def _settle(self) -> None:
        if self._leaving:
            self._leaving.cancel()
            self._leaving = None
