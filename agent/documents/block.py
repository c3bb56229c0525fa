"""A piece of a document as it was read, before it is split into passages."""

import re
from typing import NamedTuple

MAX_TITLE = 120
SEPARATOR = " › "
_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1f\x85]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\u202a-\u202e\u2066-\u2069]")


class Block(NamedTuple):
    """A paragraph, a list, a table, a page."""

    titles: tuple[str, ...]
    """The headings that it stands under, the outermost first."""
    text: str
    place: str = ""
    """Where in the file, as the fragment of an address: `page=3`."""


class Unreadable(Exception):
    """Why a file cannot be read: some words after "It", for the operator."""


class Passing(Unreadable):
    """The machine is to blame, and not the file: soon it may be read."""


def clean(text: str) -> str:
    """Without what no text needs: controls, and marks that turn the direction of writing."""
    return _CONTROLS.sub("", _BREAKS.sub("\n", text)).encode(errors="replace").decode()


def in_one_line(text: str) -> str:
    return " ".join(clean(text).split())


def title_of(text: str) -> str:
    """A heading in one line, not too long."""
    return in_one_line(text)[:MAX_TITLE]


class Headings:
    """The headings above a place in a document, while it is read."""

    def __init__(self) -> None:
        self._levels: list[tuple[int, str]] = []
        self._bare: tuple[int, Block] | None = None
        """The last one, as long as nothing stands under it."""

    def enter(self, level: int, text: str) -> list[Block]:
        """Returns the heading before this one as a block, if it has none under it."""
        left = self.left(level)
        while self._levels and self._levels[-1][0] >= level:
            self._levels.pop()
        if title := title_of(text):
            # Level 0 is what a document says of itself: it is no part of its text.
            self._bare = (level, Block(self.titles, text)) if level else None
            self._levels.append((level, title))
        return left

    def left(self, level: int = 0) -> list[Block]:
        """What the end of the document returns, too, or a heading of this level."""
        bare, self._bare = self._bare, None
        return [bare[1]] if bare and bare[0] >= level else []

    def under(self, text: str) -> Block:
        """A block that stands here."""
        self._bare = None
        return Block(self.titles, text)

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._levels)
