"""Who is listening to a run, and what happens when nobody is."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from agent.request import OnDisconnect
from agent.spawned import Spawn
from stream.errors import StorageLost
from stream.log import StreamLog

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


class Audiences(dict[str, Audience]):
    """By the ids of the runs that this process performs, or was asked for."""

    def __init__(self, log: StreamLog, stop: Callable[[str], bool], spawn: Spawn) -> None:
        """`stop` stops a run of this process, and returns whether it is one."""
        super().__init__()
        self._log = log
        self._stop = stop
        self._spawn = spawn

    def expect(self, run_id: str, on_disconnect: OnDisconnect) -> None:
        """Readers will come."""
        abandon = partial(self._begin_to_abandon, run_id)
        self[run_id] = Audience(on_disconnect, abandon)

    def forget(self, run_id: str) -> None:
        """The run is over, or no business of this process any more."""
        if audience := self.pop(run_id, None):
            audience.close()

    def _begin_to_abandon(self, run_id: str) -> None:
        self._spawn(self._abandon(run_id))

    async def _abandon(self, run_id: str) -> None:
        """The last reader here has left. There may be others in other processes."""
        try:
            followed = await self._log.followed(run_id)
        except StorageLost:
            followed = False
        audience = self.get(run_id)
        if audience is None or audience.is_there:
            return
        if followed:
            audience.wait()
        elif not self._stop(run_id):
            self.forget(run_id)
            with suppress(StorageLost):
                await self._log.stop(run_id)
