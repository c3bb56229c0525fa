"""HTML -> blocks: the words that a browser would show, but for menus and what is struck out.

Words that nobody sees are a place for instructions to a model. What an element says of itself
counts; style sheets are not read. `aria-hidden` hides nothing: all but a screen reader show it.
"""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from agent.documents import charset
from agent.documents.block import Block, Headings, clean

_HIDDEN_NAMES = """
audio canvas datalist del iframe nav noembed noframes noscript s script strike style svg template
video
"""
_HIDDEN = frozenset(_HIDDEN_NAMES.split())
_UNSEEN = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\s*"
    r"(?:!\s*important\s*)?(?:;|$)",
    re.IGNORECASE,
)
_HEADINGS = {"title": 0, **{f"h{level}": level for level in range(1, 7)}}
_BLOCK_NAMES = """
address article aside blockquote body button caption center details dialog dir dl fieldset
figcaption figure footer form head header hgroup hr html legend main menu ol optgroup option pre
search section select summary table tbody textarea tfoot thead ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split()) | _HEADINGS.keys()
_PLAIN_BLOCKS = frozenset({"div", "p"})
_PARTS = {"td": " | ", "th": " | ", "tr": "\n", "li": "\n- ", "dt": "\n", "dd": "\n", "br": "\n"}
"""What a list or a table is written with. Other elements stand in a line, also unknown ones."""
_CELLS = frozenset({"td", "th"})
_ITEMS = frozenset({"li", "dt", "dd"})
_HOLDERS = _CELLS | _ITEMS | _HEADINGS.keys() | {"pre"}
_LAYOUT = "table, ul, ol, dl, pre, blockquote, h1, h2, h3, h4, h5, h6"
"""A cell that holds one of these is no cell of a table, but a place on the page."""


def blocks(data: bytes) -> Iterator[Block]:
    (root,) = LexborHTMLParser(charset.page(data)).css(":root")
    yield from _Page(_HIDDEN).read(root) or _Page(_HIDDEN - {"nav"}).read(root)


class _Page:
    def __init__(self, hidden: frozenset[str]) -> None:
        self._hidden = hidden
        self._blocks: list[Block] = []
        self._headings = Headings()
        self._words: list[str] = []
        self._gap = ""
        """What comes before the next words."""
        self._within: list[str] = []
        """The headings, cells, items and preformatted texts that are open."""

    def read(self, root: LexborNode) -> list[Block]:
        """Not recursive, so that depth costs nothing."""
        pending = [(root, False)]
        while pending:
            node, ends = pending.pop()
            if ends:
                self._leave(node)
            elif node.is_text_node:
                self._say(node.text_content or "")
            elif node.is_element_node and self._is_shown(node):
                self._enter(node)
                pending.append((node, True))
                pending += [(each, False) for each in reversed([*node.iter(include_text=True)])]
        self._flush()
        return self._blocks + self._headings.left()

    def _is_shown(self, node: LexborNode) -> bool:
        about = node.attributes
        if (about.get("hidden", "until-found") or "").lower() != "until-found":
            return False
        if node.tag in self._hidden or _UNSEEN.search(about.get("style") or ""):
            return False
        if about.get("role") == "navigation" and "nav" in self._hidden:
            return False
        closed = node.tag == "dialog" and "open" not in about
        return not closed and "headerlink" not in (about.get("class") or "").split()

    def _enter(self, node: LexborNode) -> None:
        tag = node.tag or ""
        is_place = tag in _CELLS and node.css_first(_LAYOUT) is not None
        if is_place or self._is_apart(tag):
            self._flush()
        elif tag in _PARTS:
            self._words.append(_PARTS[tag])
            self._gap = ""
        if tag in _HOLDERS and not is_place:
            self._within.append(tag)

    def _is_apart(self, tag: str) -> bool:
        """A paragraph in a cell or an item is not, and nothing is in a heading."""
        if self._within and self._within[-1] in _HEADINGS:
            return False
        return tag in _BLOCKS or (tag in _PLAIN_BLOCKS and not self._within)

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if self._within and self._within[-1] == tag:
            self._within.pop()
        if tag in _HEADINGS:
            self._head(_HEADINGS[tag])
        elif self._is_apart(tag):
            self._flush()
        elif tag in _PLAIN_BLOCKS:
            self._gap = "\n" if self._within[-1] in _ITEMS else " "

    def _say(self, text: str) -> None:
        if "pre" not in self._within:
            text = " ".join(f".{text}.".split())[1:-1]
            if self._words and self._words[-1].endswith(" "):
                text = text.removeprefix(" ")
        if text.strip() and self._gap:
            self._words.append(self._gap)
            self._gap = ""
        self._words.append(text)

    def _head(self, level: int) -> None:
        if text := self._said():
            self._blocks += self._headings.enter(level, text)

    def _flush(self) -> None:
        if text := self._said():
            self._blocks.append(self._headings.under(text))

    def _said(self) -> str:
        text = clean("".join(self._words)).strip()
        self._words, self._gap = [], ""
        return text
