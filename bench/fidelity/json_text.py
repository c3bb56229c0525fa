"""A text as the source of a JSON string, in the ways of different models."""

import json
from collections.abc import Callable


def _ascii(char: str) -> str:
    return json.dumps(char)[1:-1]


def _unicode(char: str) -> str:
    return json.dumps(char, ensure_ascii=False)[1:-1]


ESCAPES: dict[str, Callable[[str], str]] = {
    "unicode": _unicode,
    "ascii": _ascii,
    "capitals": lambda char: _ascii(char) if char.isascii() else _upper(char),
    "raw newlines": lambda char: char if char in "\n\t" else _unicode(char),
    "slashes": lambda char: "\\/" if char == "/" else _unicode(char),
}


def _upper(char: str) -> str:
    return _ascii(char).upper().replace("\\U", "\\u")


def sources_of(text: str, escape: str) -> list[str]:
    """The source of each character."""
    return [ESCAPES[escape](char) for char in text]
