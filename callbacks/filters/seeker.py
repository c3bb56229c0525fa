"""Finds marks in text that may be cut anywhere."""

import re
from collections.abc import Iterable
from functools import cache


class Seeker:
    """Looks for a pattern that begins with one of `firsts` and has a longest match."""

    def __init__(self, pattern: str, firsts: str, longest: int, begun: str = "") -> None:
        """`begun` finds what may be the start of a match, at the end of a text."""
        self._may_match = re.compile(firsts).search
        self._search = re.compile(pattern).search
        self._begun = re.compile(begun or firsts).search
        self._reach = longest - 1
        self.held = ""

    def seek(self, text: str, at: int = 0) -> tuple[str, str, int]:
        """Read on from there: what is before a match, the match, and where in `text` it ends."""
        if not self.held and not self._may_match(text, at):  # nearly every token
            return text[at:], "", len(text)
        size = len(text)
        if self.held:
            text, at, self.held = self.held + text[at:], 0, ""
        if found := self._search(text, at):
            return text[at : found.start()], found[0], found.end() - len(text) + size
        begun = self._begun(text, max(at, len(text) - self._reach))
        end = begun.start() if begun else len(text)
        self.held = text[end:]
        return text[at:end], "", size

    def close(self) -> str:
        """No match comes any more."""
        held, self.held = self.held, ""
        return held


def seek_any(*marks: str) -> Seeker:
    """Looks for the first of these, and holds back nothing but the start of one."""
    return Seeker(*_patterns(marks))


@cache
def _patterns(marks: tuple[str, ...]) -> tuple[str, str, int, str]:
    marks = shortest(marks)
    begun = rf"(?:{any_of(start for mark in marks for start in starts(mark))})\Z"
    return any_of(marks), any_of(firsts(marks)), max(map(len, marks), default=1), begun


def shortest(marks: Iterable[str]) -> tuple[str, ...]:
    """Of two marks that stand in one another only the shorter is ever read to its end."""
    marks = {mark for mark in marks if mark}
    return tuple(m for m in marks if not any(other in m for other in marks - {m}))


def firsts(marks: Iterable[str]) -> set[str]:
    return {mark[0] for mark in marks}


def starts(mark: str) -> list[str]:
    """All that a mark may be cut to."""
    return [mark[:end] for end in range(1, len(mark))]


def any_of(marks: Iterable[str]) -> str:
    return "|".join(map(re.escape, marks)) or "(?!)"
