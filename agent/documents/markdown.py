"""Markdown -> blocks: its own source, cut where a block of it ends."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

from agent.documents.block import Block, Headings
from agent.documents.plain import decoded

_PARSER = MarkdownIt("commonmark").enable("table").disable("inline")
_FRONT_MATTER = re.compile(
    r"---\n(?=\s*(?:#|[\w-]+\s*:|---|\.\.\.))(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL
)
_TITLE = re.compile(r"^title:(.*)$", re.MULTILINE | re.IGNORECASE)


def blocks(data: bytes) -> Iterator[Block]:
    text, headings = decoded(data), Headings()
    if front := _FRONT_MATTER.match(text):
        if title := _TITLE.search(front[1] or ""):
            headings.enter(0, title[1].strip(" \t\"'"))
        text = text[front.end() :]
    lines = text.split("\n")
    tokens = _PARSER.parse(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token.level or not token.map or token.nesting < 0:
            continue
        if token.type == "heading_open" and following:
            headings.enter(int(token.tag[1:]), following.content)
        else:
            yield Block(headings.titles, "\n".join(lines[slice(*token.map)]).strip("\n"))
