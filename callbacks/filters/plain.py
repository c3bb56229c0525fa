"""Text that is passed on as it stands: only made encodable, and looked through for marks."""

import re
from collections.abc import Callable
from typing import NamedTuple

from callbacks.filters.base import Delta
from callbacks.filters.json_object import join_surrogates
from stream.events import ThoughtDelta

_has_surrogate = re.compile("[\ud800-\udfff]").search


class PlainText:
    """Joins halves of surrogate pairs, however they were cut; half a pair is U+FFFD."""

    def __init__(self) -> None:
        self.half = ""  # the first half of a pair, which waits for the other

    def feed(self, text: str) -> str:
        if not self.half and (text.isascii() or not _has_surrogate(text)):
            return text
        text = self.half + text
        self.half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return join_surrogates(text[:-1] if self.half else text)

    def close(self) -> str:
        """No other half comes."""
        text, self.half = "\ufffd" if self.half else "", ""
        return text


class Thoughts:
    """Plain text that nobody takes for the answer."""

    def __init__(self) -> None:
        self._text = PlainText()

    @property
    def half(self) -> str:
        return self._text.half

    def feed(self, text: str) -> list[Delta]:
        text = self._text.feed(text)
        return [ThoughtDelta(text)] if text else []

    def close(self) -> list[Delta]:
        text = self._text.close()
        return [ThoughtDelta(text)] if text else []


class Stretch(NamedTuple):
    """`text[at:end]` is settled. Then comes `mark`, or nothing yet, up to `next`."""

    end: int
    mark: str
    next: int


def up_to(*marks: str) -> Callable[[str, int], Stretch]:
    """Looks for the first of some marks, each with its only `<` in front.

    Without one the stretch ends where a mark may have begun: what follows must be
    held, and put before the text that comes.
    """
    search = re.compile("|".join(map(re.escape, marks))).search
    longest = max(map(len, marks))

    def scan(text: str, at: int) -> Stretch:
        if found := search(text, at):
            return Stretch(found.start(), found[0], found.end())
        maybe = text.rfind("<", max(at, len(text) - longest + 1))
        held = maybe >= 0 and any(mark.startswith(text[maybe:]) for mark in marks)
        end = maybe if held else len(text)
        return Stretch(end, "", end)

    return scan
