"""A piece of a document as it was read, before it is split into passages."""

import re
from typing import NamedTuple

MAX_TITLE = 120
SEPARATOR = " › "
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\u202a-\u202e\u2066-\u2069]")


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
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", text).encode(errors="replace").decode()


def in_one_line(text: str) -> str:
    return " ".join(clean(text).split())


def title_of(text: str) -> str:
    """A heading in one line, not too long."""
    return in_one_line(text)[:MAX_TITLE]


class Headings:
    """The headings above a place in a document, while it is read."""

    def __init__(self) -> None:
        self._levels: list[tuple[int, str]] = []

    def enter(self, level: int, text: str) -> None:
        while self._levels and self._levels[-1][0] >= level:
            self._levels.pop()
        if title := title_of(text):
            self._levels.append((level, title))

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._levels)
