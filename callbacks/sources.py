"""The numbers of a run's sources: the model is told the same ones as the readers."""

from collections.abc import Sequence
from typing import Any

from stream.citations import Citations, citations
from stream.events import SourceFound


class Sources:
    """What was found in one run. A passage that is found again keeps its number."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], SourceFound] = {}
        self._told: set[int] = set()

    def number(self, title: str, location: str, passage: str, score: float) -> SourceFound:
        """The passage as a source, for the model and for a tool's artifact."""
        where = (location, passage)
        if where not in self._found:
            number = len(self._found) + 1
            self._found[where] = SourceFound(number, title, location, passage, score)
        return self._found[where]

    def tell(self, artifact: Any) -> list[SourceFound]:
        """The sources among what a tool brought that the readers have not been told of."""
        if not isinstance(artifact, Sequence):
            return []
        ours = {id(source) for source in self._found.values()}
        new = {each.number: each for each in artifact if id(each) in ours}
        found = [source for number, source in new.items() if number not in self._told]
        self._told.update(new)
        return found

    def cited(self, answer: str) -> Citations:
        """By what the readers were told of."""
        return citations(answer, self._told)


def sources_of(callbacks: Any) -> Sources:
    """Those of the run whose callbacks these are; new ones outside of any run."""
    for handler in getattr(callbacks, "handlers", None) or ():
        if isinstance(found := getattr(handler, "sources", None), Sources):
            return found
    return Sources()
