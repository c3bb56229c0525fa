r"""`react`: `Thought: ..`, then `Action: ..` and `Action Input: ..`, or `Final Answer: ..`.

Where the answer stands is `marked`'s matter. An action that stands before the
`Final Answer:` with all of its `Action Input:` wins over it, so from there on no
marker counts.

The action is read as LangChain's `ReActSingleInputOutputParser` does: between the
first `Action:`, anywhere, and the next `Action Input:` is the name, stripped; what
follows up to a stop sequence is the input, without white space before it, blanks
after it and quotes around that. Before each colon, and before `Input`, there may be a
number, white space around it (each up to nine characters, so that a marker has an end).
"""

from collections.abc import Iterable

from callbacks.filters.base import ActionRead
from callbacks.filters.json_object import join_surrogates
from callbacks.filters.marked import OBSERVATION, MarkedFilter
from callbacks.filters.seeker import Seeker, seek_any

_NUMBER = r"\s{0,9}\d{0,9}\s{0,9}"
_ACTION = rf"Action{_NUMBER}:"
_INPUT = rf"Action{_NUMBER}Input{_NUMBER}:"
_LONGEST = len("ActionInput:") + 2 * 27
_PROSE, _NAME, _INPUT_TEXT = range(3)


class ReactFilter(MarkedFilter):
    """One reply in the `react` format, being read."""

    def __init__(self, stops: Iterable[str] = OBSERVATION) -> None:
        stops = tuple(stops)
        super().__init__("Final Answer:", WrittenAction(stops, wins=True), stops)


class WrittenAction:
    """An action written as lines. If it `wins` it is certain once its input begins."""

    def __init__(self, stops: Iterable[str], *, wins: bool) -> None:
        self.whole_at = 0
        self.certain_at: int | None = None
        self.over = False
        self._wins = wins
        self._fed = 0
        self._seekers = [Seeker(_ACTION, "A", _LONGEST), Seeker(_INPUT, "A", _LONGEST)]
        self._seekers.append(seek_any(*stops))
        self._parts: list[list[str]] = [[], [], []]  # the prose, the name, the input
        self._reading = _PROSE

    @property
    def begun(self) -> bool:
        return self._reading != _PROSE

    def feed(self, text: str) -> None:
        self._fed += len(text)
        at = 0
        while at < len(text) and not self.over:
            before, mark, at = self._seekers[self._reading].seek(text, at)
            if self._reading != _PROSE:
                self._parts[self._reading].append(before)
            if mark:
                self._next(len(text) - at)

    def _next(self, left: int) -> None:
        if self._reading == _INPUT_TEXT:
            self.over = True
            self.certain_at = self.certain_at or self._fed - left
            return
        self._reading += 1
        if self._reading == _INPUT_TEXT:
            self.whole_at = self._fed - left
            self.certain_at = self.whole_at if self._wins else None

    def read(self) -> ActionRead | None:
        if self._reading != _INPUT_TEXT:
            return None
        _, name, given = map("".join, self._parts)
        given += self._seekers[_INPUT_TEXT].close()
        return ActionRead(
            join_surrogates(name).strip(),
            join_surrogates(given).lstrip().strip(" ").strip('"'),
        )
