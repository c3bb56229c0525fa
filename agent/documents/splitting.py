"""Blocks -> passages: whole sentences under one heading, about as many as answer a question."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from agent.documents.block import Block

SIZE = 800
"""Characters that a passage has at most."""
# A sentence ends with its mark and a space; where no spaces are written, with its mark.
_END = re.compile(r"(?<=[.!?])[\"')\]»”]{0,3}\s+|(?<=[。！？])[」』）]{0,3}|\n+")


def split(blocks: Iterable[Block]) -> Iterator[Block]:
    """Blocks of at most `SIZE` characters; none of them mixes headings or places."""
    for (titles, place), group in groupby(blocks, lambda block: (block.titles, block.place)):
        for text in _joined(piece for block in group for piece in _pieces(block.text)):
            yield Block(titles, text, place)


def _joined(pieces: Iterable[str]) -> Iterator[str]:
    """As many pieces in one as there is room for."""
    text = ""
    for piece in pieces:
        if text and len(text) + len(piece) > SIZE:
            yield text.strip()
            text = ""
        text += piece
    if text.strip():
        yield text.strip()


def _pieces(text: str) -> Iterator[str]:
    """A block that is small enough, else its sentences, else as much of one as there is room for.

    A block ends with an empty line, so that it does not run into the next one.
    """
    text = text.strip() + "\n\n"
    if len(text) <= SIZE:
        yield text
        return
    for sentence in sentences(text):
        yield from (sentence[at : at + SIZE] for at in range(0, len(sentence), SIZE))


def sentences(text: str) -> Iterator[str]:
    """The text, cut behind each sentence and each line."""
    start = 0
    for end in _END.finditer(text):
        yield text[start : end.end()]
        start = end.end()
    if start < len(text):
        yield text[start:]
