"""What a run's events come to: the answer so far, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
    RunCancelled,
    RunCompleted,
    RunEnded,
    RunFailed,
    SourceFound,
    Usage,
)
from stream.log import Cursor, Entry


@dataclass(slots=True)
class Transcript:
    """Read a run's entries in order, and read off what they say."""

    end: RunEnded | None = None
    first: Cursor | None = None
    """Of the entries that were read."""
    last: Cursor | None = None
    sources: list[SourceFound] = field(default_factory=list)
    _certain: list[str] = field(default_factory=list)
    _uncertain: list[str] = field(default_factory=list)

    def read(self, batch: Sequence[Entry]) -> None:
        for self.last, event in batch:
            self.first = self.first or self.last
            self.add(event)

    def add(self, event: Event) -> None:
        match event:
            case AnswerDelta(text=text, certain=certain):
                (self._certain if certain else self._uncertain).append(text)
            case AnswerConfirmed():
                self._certain += self._uncertain
                self._uncertain.clear()
            case AnswerRetracted(certain=certain):
                self._uncertain.clear()
                if certain:
                    self._certain.clear()
                    self.sources.clear()  # what begins anew numbers its sources anew
            case SourceFound():
                self.sources.append(event)
            case RunCompleted() | RunFailed() | RunCancelled():
                self.end = event
            case _:
                pass

    @property
    def answer(self) -> str:
        """The certain text: what was only a possible answer is not one."""
        return "".join(self._certain)

    @property
    def state(self) -> str:
        """`running`, `completed`, `failed` or `cancelled`."""
        return "running" if self.end is None else self.end.type.removeprefix("run_")

    @property
    def finish_reason(self) -> str | None:
        """Of a run that ended without failing: `stop`, `length`, `content_filter`, `cancelled`."""
        match self.end:
            case RunCompleted(finish_reason=reason):
                return reason
            case RunCancelled():
                return "cancelled"
            case _:
                return None

    @property
    def usage(self) -> Usage:
        return Usage() if self.end is None or isinstance(self.end, RunFailed) else self.end.usage
