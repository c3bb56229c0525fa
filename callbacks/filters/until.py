"""Text up to a mark, when it may be cut anywhere and every character is waited for.

`Until` holds back only what may be the start of its end, so that a character is out as
soon as it is certain. `Stripped` is that without white space at both ends, so white
space waits for what follows it.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from callbacks.filters.json_object import join_surrogates
from callbacks.filters.seeker import any_of, firsts, shortest


class Until:
    """Text up to the first of some ends. Half a surrogate pair waits for the other half."""

    def __init__(self, ends: Iterable[str] = (), whole: Iterable[str] = ()) -> None:
        """`whole` are other marks that must not be cut in two."""
        self._is_risky, self._end, self._start, self._reach = _patterns(tuple(ends), tuple(whole))
        self._held = ""
        self.flows = False  # some text is out, and nothing is held back
        self.begun = False
        self.ended = False

    def feed(self, text: str) -> str:
        if self.flows and text.isprintable() and not (self._is_risky and self._is_risky(text)):
            return text  # nearly every token of an answer
        return self._note(self._edited(self._read(text)[0]))

    def close(self) -> str:
        """No end comes: what was held is text."""
        return self._note(self._rest())

    def _edited(self, text: str) -> str:
        """What a stretch of the text stands for, no mark of which is cut in two."""
        return text

    def _rest(self) -> str:
        held, self._held = self._held, ""
        return join_surrogates(held)

    def _read(self, text: str) -> tuple[str, bool]:
        """What is certain, and whether what comes next is certain to be text as well."""
        if self.ended:
            return "", False
        text = _joined(self._held + text)
        end = self._end(text)
        self.ended = end is not None
        stop = end or self._start(text, max(0, len(text) - self._reach))
        cut = stop.start() if stop else len(text)
        self._held = "" if self.ended else text[cut:]
        return text[:cut], stop is not None and stop.lastgroup == "half"

    def _note(self, text: str) -> str:
        self.begun = self.begun or bool(text)
        self.flows = self.begun and not self._held and not self.ended
        return text


class Stripped(Until):
    """Text up to the first of some ends, without white space before and after it."""

    def __init__(self, ends: Iterable[str]) -> None:
        super().__init__(ends)
        self._blank = ""  # white space that may be the last ...
        self._blanks: list[str] = []  # ... and more of it, before that

    def feed(self, text: str) -> str:
        if self.flows and text.isprintable() and not (self._is_risky and self._is_risky(text)):
            if self._blank or text[-1:] == " ":
                return self._release(text, goes_on=False)
            return text  # nearly every token of an answer
        text, goes_on = self._read(text)
        return self._release(text, goes_on=goes_on)

    def close(self) -> str:
        return self._release(self._rest(), goes_on=False)

    def _release(self, text: str, *, goes_on: bool) -> str:
        certain = text if goes_on else text.rstrip()
        if certain or goes_on:
            self._blanks += [self._blank, certain]
            self._blank, certain = text[len(certain) :], "".join(self._blanks)
            self._blanks.clear()
        elif text and self.begun:
            self._blanks.append(self._blank)
            self._blank = text
        return self._note(certain if self.begun else certain.lstrip())


class _Patterns(NamedTuple):
    is_risky: Callable[[str], re.Match[str] | None] | None
    """Whether a mark may begin in a printable text; nothing where none can."""
    end: Callable[[str], re.Match[str] | None]
    start: Callable[[str, int], re.Match[str] | None]
    """Finds a mark that has begun, or half a surrogate pair, at the very end."""
    reach: int


@cache
def _patterns(ends: tuple[str, ...], whole: tuple[str, ...]) -> _Patterns:
    ends = shortest(ends)
    begun = {start for mark in (*ends, *whole) for start in _starts(mark)}
    printable = {first for first in firsts((*ends, *whole)) if first.isprintable()}
    half = "(?P<half>[\ud800-\udbff])"  # the first of a surrogate pair
    return _Patterns(
        re.compile(any_of(printable)).search if printable else None,
        re.compile(any_of(ends)).search,
        re.compile(rf"(?:{any_of(begun)}|{half})\Z").search,
        max(map(len, begun), default=1),
    )


def _starts(mark: str) -> list[str]:
    """All that a mark may be cut to, in the middle of a surrogate pair too."""
    units = mark.encode("utf-16-le", "surrogatepass")
    return [units[:i].decode("utf-16-le", "surrogatepass") for i in range(2, len(units), 2)]


def _joined(text: str) -> str:
    """With surrogate pairs joined, but half a pair at the very end still waits."""
    if text.isascii():
        return text
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    return join_surrogates(text.removesuffix(half)) + half
