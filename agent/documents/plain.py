"""Bytes -> text, and plain text -> blocks."""

import codecs
import re
from collections.abc import Iterator

from agent.documents import tables
from agent.documents.block import Block, Unreadable, clean

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(data: bytes, encoding: str = "utf-8-sig") -> str:
    """Raises `Unreadable`: guessing at an encoding would fill the index with rubbish."""
    if data.startswith(_MARKS):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError):
        raise Unreadable("is not UTF-8 text") from None
    if "\0" in text:
        raise Unreadable("is not text")
    return clean(text)


def blocks(data: bytes) -> Iterator[Block]:
    for paragraph in _PARAGRAPH.split(decoded(data)):
        yield Block((), paragraph)


def rows(data: bytes) -> Iterator[Block]:
    """Of a table with a row in each line, and its head in the first."""
    head, *rest = [line for line in decoded(data).split("\n") if line.strip()] or [""]
    for part in tables.parts(head, rest):
        yield Block((), part)
