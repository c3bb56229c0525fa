r"""Where a reply's JSON object begins: its first character, found without a look back.

The rule, exactly. *Space* is blanks, tabs, line breaks and the byte order mark; a
*fence* is three or more backticks in a row; a fence is *at the start of a line* if
nothing but space stands before it there.

1. A reply that begins with `{`, or with `[` and `{`, space allowed before each, is
   the object, bare.
2. After prose the object must be fenced: a fence anywhere, `json` in any case or
   nothing, then as in 1.
3. Another fence at the start of a line opens a code block, which is skipped as a
   whole: the next fence at the start of a line closes it, whatever follows there.
   Another fence elsewhere is text.

So the start of a reply is read as if a fence had just been opened, and nothing of
what is passed over is kept.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from callbacks.filters.json_object import end_of

_BLANKS = " \t\r\ufeff"
_SPACE = re.compile(rf"[\n{_BLANKS}]*+")
_TICKS = re.compile(r"`*+")
_INFO = "json"


class BlobFinder:
    """Reads prose until the object begins."""

    def __init__(self) -> None:
        self._step: _Step = BlobFinder._object
        self._found = False
        self._blank = True  # nothing but blanks on this line so far
        self._ticks = 0  # backticks in a row so far
        self._info = 0  # letters of `json` so far
        self._in_list = False
        self._in_code = False
        self._opens_code = False  # the last fence opens a code block, unless an object follows

    @property
    def begun(self) -> bool:
        """Whether the object is found, or the text so far ends right where it may begin."""
        if self._step is BlobFinder._fence:
            return self._ticks >= 3 and self._blank and not self._in_code
        waits = self._step in (BlobFinder._info_string, BlobFinder._object)
        return waits and (self._found or self._opens_code or self._in_list or self._info > 0)

    def find(self, text: str) -> int:
        """Read on. Returns where in `text` the object begins or goes on, or -1 like `str.find`."""
        at = 0
        while at < len(text) and not self._found:
            at = self._step(self, text, at)
        return at if self._found else -1

    def _prose(self, text: str, at: int) -> int:
        tick = text.find("`", at)
        end = len(text) if tick < 0 else tick
        self._see_line(text, at, end)
        if tick >= 0:
            self._step, self._ticks = BlobFinder._fence, 0
        return end

    def _see_line(self, text: str, at: int, end: int) -> None:
        newline = text.rfind("\n", at, end)
        blank = self._blank or newline >= 0
        self._blank = blank and not text[max(at, newline + 1) : end].strip(_BLANKS)

    def _fence(self, text: str, at: int) -> int:
        end = end_of(_TICKS, text, at)
        self._ticks += end - at
        if end == len(text):
            return end
        at_line_start, self._blank = self._blank, False
        self._step = BlobFinder._prose
        if self._ticks >= 3 and self._in_code:
            self._in_code = not at_line_start
        elif self._ticks >= 3:
            self._step, self._info = BlobFinder._info_string, 0
            self._in_list, self._opens_code = False, at_line_start
        return end

    def _info_string(self, text: str, at: int) -> int:
        if text[at].lower() == _INFO[self._info]:
            self._info += 1
            if self._info == len(_INFO):
                self._step = BlobFinder._object
            return at + 1
        if self._info == 0:
            self._step = BlobFinder._object
        else:
            self._no_object()
        return at

    def _object(self, text: str, at: int) -> int:
        end = end_of(_SPACE, text, at)
        self._blank = self._blank or "\n" in text[at:end]
        if end == len(text):
            return end
        if text[end] == "{":
            self._found = True
        elif text[end] == "[" and not self._in_list:
            self._in_list, self._blank = True, False
            return end + 1
        else:
            self._no_object()
        return end

    def _no_object(self) -> None:
        self._step, self._in_code = BlobFinder._prose, self._opens_code


_Step: TypeAlias = Callable[[BlobFinder, str, int], int]
