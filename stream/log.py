"""The log of a run: appended to once, read by many, by cursor.

Every reader, live or resumed, of whatever wire, reads the log. There is no
second, faster path, and so nothing that only one of two paths gets right.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, NewType, Protocol

from stream.events import Event, RunCancelled, RunCompleted, RunFailed

Cursor = NewType("Cursor", str)
"""A place in a run's log. Opaque to clients; of the characters A-Z a-z 0-9 . - only."""

START = Cursor("0")
"""Before the first entry."""


class Entry(NamedTuple):
    """An event and where it stands: reading after `cursor` gives what came later."""

    cursor: Cursor
    event: Event


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run from its first moment."""

    id: str
    thread_id: str
    principal: str
    question: str
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


class StreamLog(Protocol):
    """Where runs and their events are kept. Cursors of a run are unique and strictly increase."""

    async def create(self, run: Run) -> None:
        """Open the log of a run."""

    async def find(self, run_id: str) -> Run | None:
        """The run, or None if it never was or is no longer kept."""

    async def append(self, run_id: str, events: Sequence[Event]) -> None:
        """Add events, all or none, and wake the readers."""

    async def last(self, run_id: str) -> Entry:
        """The newest entry. Raises `NotFound`."""

    async def read(self, run_id: str, after: Cursor, wait: float) -> list[Entry]:
        """Entries after a cursor; waits up to `wait` seconds for one, then returns [].

        Raises `NotFound` for an unknown run, `BadRequest` for a cursor that is none.
        """


def is_end(event: Event) -> bool:
    """Whether this event is the last of its run."""
    return isinstance(event, RunCompleted | RunFailed | RunCancelled)


async def is_over(log: StreamLog, run_id: str, after: Cursor) -> bool:
    """Whether nothing comes after this cursor, now or later. Raises `NotFound`, `BadRequest`."""
    last = await log.last(run_id)
    return not await log.read(run_id, after, 0) and is_end(last.event)


async def follow(
    log: StreamLog, run_id: str, after: Cursor, heartbeat: float
) -> AsyncIterator[list[Entry]]:
    """Batches of entries after a cursor, up to the end of the run.

    An empty batch says that nothing came for `heartbeat` seconds.
    """
    if after != START and await is_over(log, run_id, after):
        return
    while True:
        batch = await log.read(run_id, after, heartbeat)
        yield batch
        if batch:
            after = batch[-1].cursor
            if is_end(batch[-1].event):
                return
