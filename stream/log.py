"""The log of a run: appended to once, read by many, by cursor.

Every reader, live or resumed, of whatever wire, reads the log by cursor: there is no other way
to hear of a run.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic as clock
from typing import NamedTuple, NewType, Protocol, TypeAlias

from stream.errors import BadRequest, Gone, LastwordError, NotFound, StorageLost
from stream.events import Event, RunCancelled, RunCompleted, RunFailed
from stream.rate import MemoryRateLimit, Rate, RateLimit

Cursor = NewType("Cursor", str)
"""A place in a run's log. Opaque to clients; of the characters A-Z a-z 0-9 . - only."""

PIECE = 16 * 1024
"""Characters of text in a batch. Encoded they are a small multiple of that many bytes."""

START = Cursor("0")
"""Before the first entry."""


class NotACursor(BadRequest):
    """Nobody would ever come to such a place."""

    def __init__(self) -> None:
        super().__init__("is not a cursor of this run", field="after")


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
    model: str | None = None
    """`provider:name`, if that is known."""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


OnStop: TypeAlias = Callable[[str, LastwordError | None], object]
"""Told the id of a run of this process that is to end: asked for, or for a reason."""


class StreamLog(Protocol):
    """Where runs and their events are kept. Cursors of a run are unique and strictly increase.

    Everything may raise `StorageLost`. What is defined here is true of a log that no other
    process shares: all its runs are in this one, where the runner knows of them.
    """

    async def create(self, run: Run, limit: int | None = None) -> None:
        """Open the log of a run. Until its end it has its thread, and counts as in progress.

        Raises `Conflict` if a run of another process has the thread, `Busy` if all processes
        together have `limit` runs in progress.
        """

    async def find(self, run_id: str) -> Run | None:
        """The run, or None if it never was or is no longer kept."""

    async def append(self, run_id: str, events: Sequence[Event]) -> None:
        """Add events, all or none, and wake the readers.

        Raises `NotFound` for an unknown run, `ProducerLost` if it was given up as lost.
        """

    async def last(self, run_id: str) -> Entry:
        """The newest entry. Raises `NotFound`."""

    async def read(self, run_id: str, after: Cursor, wait: float) -> list[Entry]:
        """Entries after a cursor; waits up to `wait` seconds for one, then returns [].

        Raises `NotFound` for an unknown run, `BadRequest` for a cursor that is none, `Gone`
        for one whose entries are no longer kept.
        """

    @property
    def ready(self) -> bool:
        """Whether it can be reached."""
        return True

    async def running(self, principal: str, thread_id: str) -> str | None:
        """The id of the run of another process that has this thread."""
        return None

    async def followed(self, run_id: str) -> bool:
        """Whether somebody reads this run in another process."""
        return False

    async def stop(self, run_id: str) -> None:
        """Ask the process that produces the run to end it; one that waits for one ends now."""
        return  # mypy takes an empty body for an abstract one

    async def holds(self, run_id: str) -> bool:
        """Whether this process still is the one that produces a run of its own."""
        return True

    def release(self) -> None:
        """Have those that wait for another process' runs come back with nothing, from now on."""
        return  # as above

    def rate_limit(self, rate: Rate) -> RateLimit:
        """Counted where the log is: once for all processes that share it."""
        return MemoryRateLimit(rate)

    def on_stop(self, stop: OnStop) -> None:
        """Who is to be told which runs of this process are to end."""
        return  # as above


def position(cursor: Cursor) -> int:
    """How many events are before it. Raises `BadRequest` for what no log of ours wrote."""
    if cursor.isascii() and cursor.isdecimal() and len(cursor) < 16:
        place = int(cursor)
        if cursor == str(place):
            return place
    raise NotACursor


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

    An empty batch comes every `heartbeat` seconds, also among others: a reader may have nothing
    to say of those, and its connection must not look dead. A long one comes in pieces:
    whoever encodes one and is stuck with it holds little. If the log is lost on the way, the
    last entry says so: its cursor is good for when the log is back.
    """
    if after != START and await is_over(log, run_id, after):
        return
    beat = clock() + heartbeat
    # Only what can be known at once is raised: by later the caller has told its client something.
    batch = await log.read(run_id, after, 0) or await _read_on(log, run_id, after, heartbeat)
    while True:
        for piece in pieces(batch):
            yield piece
        if batch:
            after = batch[-1].cursor
            if is_end(batch[-1].event):
                return
            left = beat - clock()
        else:
            left = heartbeat
            beat = clock() + left
        batch = await _read_on(log, run_id, after, left) if left > 0 else []


def pieces(batch: list[Entry]) -> Iterator[list[Entry]]:
    """The same, cut where the text in it reaches `PIECE` characters."""
    begin = size = 0
    for end, (_, event) in enumerate(batch, 1):
        size += len(getattr(event, "text", ""))
        if size >= PIECE:
            yield batch[begin:end]
            begin, size = end, 0
    if begin < len(batch) or not batch:
        yield batch[begin:] if begin else batch


async def _read_on(log: StreamLog, run_id: str, after: Cursor, heartbeat: float) -> list[Entry]:
    try:
        return await log.read(run_id, after, heartbeat)
    except Gone as gone:
        return [Entry(after, gone.as_event())]
    except (StorageLost, NotFound, BadRequest):  # the last: there is less than there was
        return [Entry(after, StorageLost().as_event())]
