"""Signs that a reply tries its format, also where nothing comes of it.

They are what a model writes when it is near the format and not in it: another case,
Markdown around a label, an object with a comma missing. Plain text has none of them, so
a reply without them may be shown as it stands.
"""

from functools import cache
from typing import NamedTuple

from callbacks.filters.seeker import Seeker, any_of, starts

_DECORATION = r"[\W\d_]{0,9}"  # list marks, numbers, asterisks, space


class Sign(NamedTuple):
    """A pattern, and one of what it may be cut to; its first characters and longest match."""

    pattern: str
    begun: str
    firsts: str
    longest: int


class Signs:
    """Looks for any of some signs in a text, however it is cut."""

    def __init__(self, *signs: Sign) -> None:
        self._seeker = Seeker(*_any_sign(signs))
        self._seeker.seek("\n")  # the text begins a line
        self.seen = False

    def look(self, text: str) -> None:
        if not self.seen:
            self.seen = self._seeker.seek(text)[1] != ""


@cache
def _any_sign(signs: tuple[Sign, ...]) -> tuple[str, str, int, str]:
    patterns, begun, firsts, lengths = zip(*signs, strict=True)
    either = rf"(?:{'|'.join(begun)})\Z"
    return "|".join(patterns), f"[{''.join(firsts)}]", max(lengths), either


@cache
def label(*names: str) -> Sign:
    """`Thought:` and the like, at the start of a line."""
    line = rf"\n{_DECORATION}"
    name = f"(?i:{any_of(names)}){_DECORATION}"
    begun = f"{line}(?:{name}|{_any_start_of(names)})?"
    return Sign(f"{line}{name}:", begun, "\n", len("\n:") + 2 * 9 + _longest(names))


@cache
def key(*names: str) -> Sign:
    """A key of a JSON object, or what a model takes for one: `'action':`, `{\\"action`."""
    bracket, quote, colon = r"\{[\s\\]{0,9}", "[\"']", r"\\?[\"']\s{0,9}"
    name = f"{quote}(?i:{any_of(names)})"
    begun = f"{bracket}(?:{quote}{_any_start_of(names)}?)?"
    begun += f"|{quote}{_any_start_of(names)}?|{name}(?:\\\\|{colon})?"
    longest = len("''\\:") + 9 + _longest(names)
    return Sign(f"{bracket}{name}|{name}{colon}:", begun, "{\"'", longest)


@cache
def tag(*names: str) -> Sign:
    """The start of a tag, which may be cut off behind its name."""
    begun = f"</?{_any_start_of(names)}?"
    return Sign(f"</?(?i:{any_of(names)})", begun, "<", len("</") + _longest(names))


def _any_start_of(names: tuple[str, ...]) -> str:
    return f"(?i:{any_of(start for name in names for start in starts(name))})"


def _longest(names: tuple[str, ...]) -> int:
    return max(map(len, names))
