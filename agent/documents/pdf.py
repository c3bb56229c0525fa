"""PDF -> blocks, a page each. Needs the extra `lastword[pdf]`."""

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

from agent.documents.block import Block, Unreadable, clean, title_of

if TYPE_CHECKING:
    from pypdf import PdfReader  # an extra

MAX_PAGES = 5000


def blocks(data: bytes) -> Iterator[Block]:
    try:
        from pypdf import PdfReader, errors
    except ImportError:
        raise Unreadable("is a PDF, which wants the extra `lastword[pdf]`") from None
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what is wrong with it is said once
    try:
        yield from _pages(PdfReader(BytesIO(data)))
    except errors.DependencyError:
        raise Unreadable("is encrypted in a way that wants the package `cryptography`") from None


def _pages(reader: "PdfReader") -> Iterator[Block]:
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("wants a password")
    if len(reader.pages) > MAX_PAGES:
        raise Unreadable(f"has more than {MAX_PAGES} pages")
    title = title_of(str((reader.metadata and reader.metadata.title) or ""))
    for number, page in enumerate(reader.pages, 1):
        yield Block((title,) if title else (), clean(page.extract_text()), f"page={number}")
