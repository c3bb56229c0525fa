"""Formats of plain lines: thoughts, then either an action or a marker and the answer.

The rule, exactly, for `react`, `react_json` and `conversational`:

1. The marker is these very characters: no other case, no blank before its colon.
   It is *at the start of a line* if nothing but blanks (blank, tab, carriage return,
   byte order mark) stands before it there, and *mid-line* otherwise. Markdown around
   it, as in `**Final Answer:**`, makes it mid-line. Lines end with a line feed.
2. The first marker at the start of a line begins the answer, which streams. What an
   action may do about that is each format's matter.
3. The answer is stripped of white space, and ends at the first stop sequence (by
   default a line that starts with `Observation`) or with the reply. A stop sequence
   that has only begun when the reply ends is text. Another marker in it is text.
4. A reply with no marker at the start of a line has, at its end, the text after its
   last mid-line marker as its answer, read as in 3. If an action follows that marker,
   or began before it and is not yet complete there, the reply is just the action.
5. A stop sequence after an action ends the reply, as it would have on the server: what
   a model makes up after an `Observation` of its own is no answer.

So nothing is kept of what is passed over but the text after a mid-line marker, and
what an action is made of.
"""

from typing import Protocol

from callbacks.filters.base import ActionRead, Chunk, Delta
from callbacks.filters.passage import PassageFilter
from callbacks.filters.seeker import seek_any
from callbacks.filters.signs import Sign, Signs, label
from callbacks.filters.until import Stripped
from stream.events import AnswerDelta

OBSERVATION = ("\nObservation",)
"""The stop sequences, unless told otherwise."""

_LABELS = ("Thought", "Action", "Action Input", "Observation")
_BLANKS = " \t\r\ufeff"


class ActionReader(Protocol):
    """Reads the same text as the marker's finder, for an action. Places count from its start."""

    whole_at: int
    """How far it had to read to know that there is an action."""
    certain_at: int | None
    """From where on no marker counts any more."""
    over: bool
    """The action is read, and the reply over."""

    @property
    def begun(self) -> bool:
        """Whether the text has an action, or a part of one."""

    def feed(self, text: str) -> None: ...

    def read(self) -> ActionRead | None:
        """The action, when it is over or the reply is."""


class MarkedFilter(PassageFilter):
    """One reply in such a format, being read."""

    def __init__(
        self, marker: str, action: ActionReader, stops: tuple[str, ...], *signs: Sign
    ) -> None:
        labels = label(marker.removesuffix(":"), *_LABELS)
        super().__init__(Stripped(stops), Signs(labels, *signs))
        self._marker = _Marker(marker, stops)
        self._action = action

    @property
    def attempted(self) -> bool:
        return super().attempted or self._action.begun

    def _seek(self, text: str) -> list[Delta]:
        begin = self._marker.fed
        self._action.feed(text)
        certain_at = self._action.certain_at
        found = self._marker.find(text if certain_at is None else text[: certain_at - begin])
        if found >= 0:
            self._answering = True
            return self.feed(Chunk(text[found:]))
        return self.close() if self._action.over else []

    def _conclude(self) -> list[Delta]:
        answer, action = self._marker.mid_line_answer(), self._action.read()
        if action and self._marker.last_at <= self._action.whole_at:
            return [action]
        return [] if answer is None else [AnswerDelta(answer)]


class _Marker:
    """Finds the marker at the start of a line, and keeps what follows it in mid-line."""

    def __init__(self, marker: str, stops: tuple[str, ...]) -> None:
        self._seeker = seek_any(marker)
        self._stops = stops
        self._blank = True  # nothing but blanks so far on this line
        self.fed = 0
        self.last_at = 0  # where the last mid-line marker ends
        self._late: Stripped | None = None  # reads what follows the last mid-line marker ...
        self._answer: list[str] = []  # ... which is this, so far

    def find(self, text: str) -> int:
        """The index in `text` behind a marker at the start of a line, or -1."""
        self.fed += len(text)
        at = 0
        while at < len(text):
            before, mark, at = self._seeker.seek(text, at)
            self._pass_over(before)
            if mark and self._blank:
                return at
            if mark:
                self.last_at = self.fed - len(text) + at
                self._late, self._answer = Stripped(self._stops), []
        return -1

    def mid_line_answer(self) -> str | None:
        if self._late is None:
            return None
        return "".join([*self._answer, self._late.feed(self._seeker.close()), self._late.close()])

    def _pass_over(self, text: str) -> None:
        newline = text.rfind("\n")
        if self._blank or newline >= 0:
            self._blank = not text[newline + 1 :].strip(_BLANKS)
        if self._late:
            self._answer.append(self._late.feed(text))
