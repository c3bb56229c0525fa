"""Readers that wait until something comes."""

import asyncio


class Waiting:
    """A future per waiting reader: cheaper than a condition, and no task."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._readers)

    def wake(self) -> None:
        for reader in self._readers:
            _wake(reader)

    async def wait(self, seconds: float) -> None:
        """Until `wake`, or so many seconds."""
        loop = asyncio.get_running_loop()
        reader: asyncio.Future[None] = loop.create_future()
        self._readers.add(reader)
        timer = loop.call_later(seconds, _wake, reader)
        try:
            await reader
        finally:
            timer.cancel()
            self._readers.discard(reader)


def _wake(reader: "asyncio.Future[None]") -> None:
    if not reader.done():
        reader.set_result(None)
