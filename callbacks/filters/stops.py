"""A layer over any grammar: the answer ends before the first of some texts.

A stop sequence that a client asks for is about the answer, not about the format around it,
so it is looked for where the answer has been decoded and not by the model's server.
"""

from collections.abc import Sequence

from callbacks.filters.base import AnswerFilter, Chunk, Delta, TextFilter
from callbacks.filters.until import Until
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted


class StopAt:
    """Holds back what may be the start of a stop sequence, and drops what comes after one."""

    def __init__(self, inner: AnswerFilter, stop: Sequence[str]) -> None:
        self.inner = inner
        self._stop = stop
        self._until = Until(stop)
        self._certain = True  # whether what is held is

    def feed(self, chunk: Chunk) -> list[Delta]:
        return self._cut(self.inner.feed(chunk))

    def close(self) -> list[Delta]:
        return [*self._cut(self.inner.close()), *self._rest()]

    def over(self, inner: AnswerFilter) -> "StopAt":
        """The same layer, over another grammar."""
        return StopAt(inner, self._stop)

    @property
    def attempted(self) -> bool:
        """What the inner grammar says."""
        return isinstance(self.inner, TextFilter) and self.inner.attempted

    def _cut(self, deltas: list[Delta]) -> list[Delta]:
        cut: list[Delta] = []
        for delta in deltas:
            if isinstance(delta, AnswerDelta):
                self._certain = delta.certain
                cut += self._delta(self._until.feed(delta.text))
                continue
            if isinstance(delta, AnswerConfirmed):
                cut += self._rest()
            elif isinstance(delta, AnswerRetracted):
                self._until = Until(self._stop)
            cut.append(delta)
        return cut

    def _rest(self) -> list[Delta]:
        return self._delta(self._until.close())

    def _delta(self, text: str) -> list[Delta]:
        return [AnswerDelta(text, self._certain)] if text else []


def until_first(stop: Sequence[str], text: str) -> str:
    """A whole text up to the first of these."""
    found = [place for each in stop if (place := text.find(each)) >= 0]
    return text[: min(found, default=len(text))]
