"""HTML -> blocks: the words that a browser would show."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from agent.documents.block import Block, Headings, Unreadable, clean
from agent.documents.plain import decoded

Attributes = list[tuple[str, str | None]]
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "nav"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_INLINE_NAMES = """
a abbr b bdi bdo cite code data del dfn em font i img ins kbd label mark q rp rt ruby s samp small
span strong sub sup time tt u var wbr
"""
_INLINE = frozenset(_INLINE_NAMES.split())
_IN_LINE_PARTS = {"td": " | ", "th": " | ", "br": "\n", "li": "\n- ", "tr": "\n", "dt": "\n"}
_END_BLOCKS = frozenset({"td", "th", "br", "li", "tr", "dt", "dd"})


def blocks(data: bytes) -> Iterator[Block]:
    declared = _CHARSET.search(data[:2048])
    try:
        text = decoded(data)
    except Unreadable:
        if not declared:
            raise
        text = decoded(data, declared[1].decode("ascii"))
    yield from _read(text, _HIDDEN) or _read(text, _HIDDEN - {"nav"})


def _read(text: str, hidden: frozenset[str]) -> list[Block]:
    """Nothing, if what is hidden never ends."""
    page = _Page(hidden)
    page.feed(text)
    page.close()
    page.flush()
    return [] if "nav" in page.open else page.blocks


class _Page(HTMLParser):
    """Not recursive, so that depth costs nothing."""

    def __init__(self, hidden: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.open: list[str] = []
        """The outermost thing that is not shown, as often as it is open in itself."""
        self._hidden = hidden
        self._headings = Headings()
        self._words: list[str] = []
        self._kept = 0
        """How many `<pre>` are open."""
        self._heading = ""
        """The one that is open: `title`, `h1`."""

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if self.open:
            self.open += [tag] if tag == self.open[0] else []
        elif tag in self._hidden:
            self.open.append(tag)
        elif tag in _IN_LINE_PARTS:
            self._words.append(_IN_LINE_PARTS[tag])
        elif tag not in _INLINE:
            self.flush()
            if tag in _HEADINGS or tag == "title":
                self._heading = tag
            self._kept += tag == "pre"

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        if tag not in self._hidden:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self.open:
            if tag == self.open[0]:
                self.open.pop()
        elif tag not in _INLINE and tag not in _END_BLOCKS:
            self.flush()
            self._heading = "" if tag == self._heading else self._heading
            self._kept -= tag == "pre" and self._kept > 0

    def handle_data(self, data: str) -> None:
        if not self.open:
            self._words.append(data if self._kept else " ".join(f".{data}.".split())[1:-1])

    def flush(self) -> None:
        """What was said so far is a block, or a heading."""
        text = clean("".join(self._words)).strip()
        self._words = []
        if not text:
            return  # a heading may begin with a block, or an icon
        if self._heading:
            self._headings.enter(_HEADINGS.get(self._heading, 0), text)
            self._heading = ""
        else:
            self.blocks.append(Block(self._headings.titles, text))
