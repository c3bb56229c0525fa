"""Answers that stand in plain text between two marks, when the text may be cut anywhere.

`Seeker` is for text that nobody waits for: it holds back more than it must. `Until` is
for an answer: it holds back only what may be the start of its end, so that a character
is out as soon as it is certain. `Stripped` is that without white space at both ends, so
white space waits for what follows it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from callbacks.filters.base import Chunk, Delta
from callbacks.filters.json_object import join_surrogates
from stream.events import AnswerDelta


class Seeker:
    """Looks for a pattern that begins with one of `firsts` and has a longest match."""

    def __init__(self, pattern: str, firsts: str, longest: int) -> None:
        self._search = re.compile(pattern).search
        self._begin = re.compile(firsts).search
        self._reach = longest - 1
        self._held = ""

    def seek(self, text: str) -> tuple[str, str, str]:
        """Read on, like `str.partition`: what is before the match, the match, what is after it."""
        text, self._held = self._held + text, ""
        if found := self._search(text):
            return text[: found.start()], found[0], text[found.end() :]
        begun = self._begin(text, max(0, len(text) - self._reach))
        if not begun:
            return text, "", ""
        self._held = text[begun.start() :]
        return text[: begun.start()], "", ""

    def close(self) -> str:
        """No match comes any more."""
        held, self._held = self._held, ""
        return held


def seek_any(marks: Iterable[str]) -> Seeker:
    """Looks for the first of these."""
    marks = _shortest(marks)
    return Seeker(_any_of(marks), _any_of(_firsts(marks)), max(map(len, marks), default=1))


class Until:
    """Text up to the first of some ends. Half a surrogate pair waits for the other half."""

    def __init__(self, ends: Iterable[str], whole: Iterable[str] = ()) -> None:
        """`whole` are other marks that must not be cut in two."""
        self._is_risky, self._end, self._start, self._reach = _patterns(tuple(ends), tuple(whole))
        self._held = ""
        self._flows = False  # some text is out, and nothing is held back
        self.begun = False
        self.ended = False

    def feed(self, text: str) -> str:
        if self._flows and not self._is_risky(text):  # nearly every token of an answer
            return text
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
        self._flows = self.begun and not self._held and not self.ended
        return text


class Stripped(Until):
    """Text up to the first of some ends, without white space before and after it."""

    def __init__(self, ends: Iterable[str]) -> None:
        super().__init__(ends)
        self._blank = ""  # white space that may be the last ...
        self._blanks: list[str] = []  # ... and more of it, before that

    def feed(self, text: str) -> str:
        if self._flows and not self._is_risky(text) and (certain := text.rstrip()):
            if self._blank or len(certain) < len(text):
                self._blank, certain = text[len(certain) :], self._blank + certain
            return certain  # nearly every token of an answer
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
        text = self._note(certain if self.begun else certain.lstrip())
        self._flows = self._flows and not self._blanks
        return text


class PassageFilter(ABC):
    """One reply with such an answer, being read."""

    def __init__(self, answer: Until) -> None:
        self._answer = answer
        self._answering = False  # the answer has begun
        self._said = False  # all that is to say of an empty answer
        self._done = False  # whatever comes now is ignored

    def feed(self, chunk: Chunk) -> list[Delta]:
        if self._answering:
            text = self._answer.feed(chunk.text)
            return [AnswerDelta(text)] if text else self._nothing(over=self._answer.ended)
        return [] if self._done else self._seek(chunk.text)

    def close(self) -> list[Delta]:
        if self._answering:
            text = self._answer.close()
            return [AnswerDelta(text)] if text else self._nothing(over=True)
        if self._done:
            return []
        self._done = True
        return self._conclude()

    @abstractmethod
    def _seek(self, text: str) -> list[Delta]:
        """Read on, before the answer."""

    @abstractmethod
    def _conclude(self) -> list[Delta]:
        """The reply is over, and no answer has begun."""

    def _nothing(self, *, over: bool) -> list[Delta]:
        if self._answer.begun or self._said or not over:
            return []
        self._said = True
        return [AnswerDelta("")]


class _Patterns(NamedTuple):
    is_risky: Callable[[str], re.Match[str] | None]  # a mark may begin in it
    end: Callable[[str], re.Match[str] | None]
    start: Callable[[str, int], re.Match[str] | None]  # a mark that has begun, up to the very end
    reach: int


@cache
def _patterns(ends: tuple[str, ...], whole: tuple[str, ...]) -> _Patterns:
    ends = _shortest(ends)
    starts = {start for mark in (*ends, *whole) for start in _starts(mark)}
    firsts = "".join(map(re.escape, _firsts((*ends, *whole))))
    half = "(?P<half>[\ud800-\udbff])"  # the first of a surrogate pair
    return _Patterns(
        re.compile(rf"[{firsts}\ud800-\udfff]").search,
        re.compile(_any_of(ends)).search,
        re.compile(rf"(?:{_any_of(starts)}|{half})\Z").search,
        max(map(len, starts), default=1),
    )


def _shortest(marks: Iterable[str]) -> tuple[str, ...]:
    """Of two marks that stand in one another only the shorter is ever read to its end."""
    marks = {mark for mark in marks if mark}
    return tuple(m for m in marks if not any(other in m for other in marks - {m}))


def _firsts(marks: Iterable[str]) -> set[str]:
    return {mark[0] for mark in marks}


def _any_of(marks: Iterable[str]) -> str:
    return "|".join(map(re.escape, marks)) or "(?!)"


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
