"""Markdown -> blocks: its own source, cut where a block of it ends."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

from agent.documents import tables
from agent.documents.block import Block, Headings
from agent.documents.front_matter import parted
from agent.documents.plain import decoded

_PARSER = MarkdownIt("commonmark").enable("table").disable("inline")
_CODE = r"^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?(?P<fence>```|~~~).*?(?:(?P=fence)|\Z)|`[^`\n]*`"
_COMMENT = r"^ {0,3}<!--(?:-?>|.*?(?:-->|\Z))|<!--(?:-?>|(?:(?!<!--)[^\n]|\n(?![ \t]*\n))*?-->)"
_CODE_OR_COMMENT = re.compile(f"(?P<code>{_CODE})|{_COMMENT}", re.DOTALL | re.MULTILINE)


def blocks(data: bytes) -> Iterator[Block]:
    headings = Headings()
    title, text = parted(decoded(data))
    headings.enter(0, title)
    text = _shown(text)
    lines = text.split("\n")
    tokens = _PARSER.parse(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token.level or not token.map or token.nesting < 0 or token.type == "hr":
            continue
        if token.type == "heading_open" and following:
            yield from headings.enter(int(token.tag[1:]), following.content)
        else:
            source = "\n".join(lines[slice(*token.map)]).strip("\n")
            yield from map(headings.under, _parts(source) if token.tag == "table" else [source])
    yield from headings.left()


def _shown(text: str) -> str:
    """Without comments, which are not meant for readers."""
    return _CODE_OR_COMMENT.sub(lambda found: found["code"] or "", text)


def _parts(table: str) -> Iterator[str]:
    lines = table.split("\n")
    return tables.parts("\n".join(lines[:2]), lines[2:])
