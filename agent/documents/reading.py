"""A file's bytes -> blocks, by what its name says that it is."""

from collections.abc import Callable, Iterator
from pathlib import PurePath

from agent.documents import html, markdown, pdf, plain
from agent.documents.block import Block, Unreadable

MAX_CHARACTERS = 4_000_000
"""Of one document. A small file can unpack to any size."""
MAX_BLOCKS = 200_000
"""A million of one letter cost more than a million letters."""
_FORMATS: dict[Callable[[bytes], Iterator[Block]], str] = {
    markdown.blocks: ".md .markdown",
    html.blocks: ".html .htm .xhtml",
    pdf.blocks: ".pdf",
    plain.blocks: ".txt .text .rst .adoc .org .log",
    plain.rows: ".csv .tsv",
}
READERS = {suffix: read for read, suffixes in _FORMATS.items() for suffix in suffixes.split()}


def is_document(name: str) -> bool:
    return PurePath(name).suffix.lower() in READERS


def read(name: str, data: bytes) -> list[Block]:
    """Raises `Unreadable`, whatever is in the file."""
    try:
        found = list(_bounded(READERS[PurePath(name).suffix.lower()](data)))
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("takes too much memory to read") from None
    except Exception as error:
        raise Unreadable(f"is broken ({type(error).__name__})") from error
    if not any(block.text.strip() for block in found):
        raise Unreadable("holds no text")
    return found


def _bounded(blocks: Iterator[Block]) -> Iterator[Block]:
    left, titles = MAX_CHARACTERS, tuple[str, ...]()
    for number, block in enumerate(blocks, 1):
        left -= len(block.text) + (0 if block.titles == titles else sum(map(len, block.titles)))
        titles = block.titles
        if left < 0:
            raise Unreadable(f"holds more than {MAX_CHARACTERS:,} characters")
        if number > MAX_BLOCKS:
            raise Unreadable(f"has more than {MAX_BLOCKS:,} parts")
        yield block
