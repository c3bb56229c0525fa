"""Runs that wait for a worker: for servers whose web processes run no agent."""

from typing import NamedTuple, Protocol

from stream.log import Run


class Job(NamedTuple):
    """A run, and what its runner wants to know of it again, as text of its own."""

    run: Run
    order: str


class RunQueue(Protocol):
    """Where web processes leave runs and workers take them. Everything may raise `StorageLost`."""

    async def put(self, job: Job) -> None:
        """Leave a run whose log this process has opened. Whoever takes it goes on with it."""

    async def take(self) -> Job:
        """Wait for a run, and hold it: this process is the one that adds to its log now."""

    async def give_back(self, run_id: str, *, failed: bool = False) -> None:
        """This process ends before the run does, or could not perform it: the run is lost."""
