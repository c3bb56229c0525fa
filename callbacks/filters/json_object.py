r"""An incremental reader of one JSON object: text in, pieces of its values out.

Only the wanted keys of the object itself are reported, each as soon as it can
be: a string decoded character by character, any other value as its JSON source.
Of a key given twice the first counts, because it is out already.

It reads what models write, which is a little more than JSON: raw newlines in
strings, escapes that do not exist (`\s` and `\u12` stay as they are, `\'` is an
apostrophe), a comma before the closing brace. Of a number only the characters are
checked, and of a nested value nothing: the reader looks for its end.

What comes out can always be encoded: two halves of a surrogate pair are joined,
wherever they come from, and half a pair is U+FFFD.
"""

import re
from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple, TypeAlias


class Piece(NamedTuple):
    """The next part of the value of `key`, perhaps empty; `complete` if it is the last.

    `quoted` tells the decoded text of a string from the JSON source of another value.
    """

    key: str
    text: str
    quoted: bool
    complete: bool


State: TypeAlias = Literal[
    "opening", "key?", "colon", "value", "comma",  # waiting for that
    "key", "string", "nested", "number", "literal",  # reading that
    "closed", "broken",
]  # fmt: skip

# Between values: the characters that may come, and what each begins.
_NEXT: dict[State, dict[str, State]] = {
    "opening": {"{": "key?"},
    "key?": {'"': "key", "}": "closed"},
    "colon": {":": "value"},
    "value": {
        '"': "string",
        **dict.fromkeys("{[", "nested"),
        **dict.fromkeys("-0123456789", "number"),
        **dict.fromkeys("tfn", "literal"),
    },
    "comma": {",": "key?", "}": "closed"},
}
# Of these the first character is part of the value already; a broken one is not ours.
_STARTS_WITH_ITSELF = ("nested", "number", "literal", "broken")
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_ENDED = ("closed", "broken")

# Possessive quantifiers (`*+`) keep nothing to come back to: no text is read twice.
_SPACE = re.compile(r"[ \t\r\n]*+")
_NUMBER = re.compile(r"[-+.eE0-9]*+")
_BRACKET_OR_QUOTE = re.compile(r'["\[\]{}]')
_SOURCE = re.compile(r'(?:[^"\\]|\\.)*+', re.DOTALL)
# String text up to its closing quote, but not an escape whose end has not come yet.
_TEXT = re.compile(r'(?:[^"\\]++|\\(?!u[0-9a-fA-F]{0,3}\Z).)*+', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"} | {c: c for c in "\"'\\/"}
# What may still become the second half of a surrogate pair.
_MAYBE_LOW = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]{0,2})?)?)?)?\Z")

_has_surrogate = re.compile("[\ud800-\udfff]").search


def is_plain(text: str) -> bool:
    """Whether this is text of a string that stands for itself, and not empty."""
    if '"' in text or "\\" in text:
        return False
    return text != "" and (text.isprintable() or not _has_surrogate(text))


def join_surrogates(text: str) -> str:
    """`text` with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def end_of(run: re.Pattern[str], text: str, at: int) -> int:
    """Where `run`, begun at `at`, ends."""
    match = run.match(text, at)
    return match.end() if match else at


def _unescape(escape: re.Match[str]) -> str:
    code, char = escape.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(char, escape[0])


class JsonObject:
    """One JSON object, being read. `consumed` says how much of the last text was its."""

    def __init__(self, *wanted: str) -> None:
        self.state: State = "opening"
        self.consumed = 0
        self._wanted = set(wanted)
        self._longest = max(map(len, wanted))
        self._pieces: list[Piece] = []
        self._key = ""
        self._held = ""  # an escape that has only begun
        self._high = ""  # the first half of a surrogate pair
        self._left = ""  # what is still to come of true, false or null
        self._depth = 0  # open brackets of a nested value
        self._in_quotes = False  # inside a string of a nested value ...
        self._escaped = False  # ... and right behind a backslash there

    @property
    def takes_plain(self) -> bool:
        """Whether the next piece, if `is_plain`, is just itself and need not be fed."""
        return self.state == "string" and not self._held and not self._high

    @property
    def ended(self) -> bool:
        """Closed or broken: it reads no further."""
        return self.state in _ENDED

    def feed(self, text: str) -> list[Piece]:
        """Read on, until the object is closed or broken."""
        held = len(self._held)
        text, self._held, self._pieces = self._held + text, "", []
        at = 0
        while at < len(text) and self.state not in _ENDED:
            at = self._READERS[self.state](self, text, at)
        self.consumed = at - held
        return self._pieces

    def close(self) -> list[Piece]:
        """No more text comes: a first half of a pair that waited is alone for good."""
        if not self._high:
            return []
        self._high = ""
        return [Piece(self._key, "\ufffd", self.state == "string", complete=False)]

    def _between(self, text: str, at: int) -> int:
        at = end_of(_SPACE, text, at)
        if at == len(text):
            return at
        char = text[at]
        self.state = _NEXT[self.state].get(char, "broken")
        self._left = _LITERALS.get(char, "")
        if self.state == "key":
            self._key = ""
        return at if self.state in _STARTS_WITH_ITSELF else at + 1

    def _string(self, text: str, at: int) -> int:
        end = end_of(_TEXT, text, at)
        chars = text[at:end]
        if "\\" in chars:
            chars = _ESCAPE.sub(_unescape, chars)
        closed = text.startswith('"', end)
        self._held = "" if closed else text[end:]
        if self.state == "key":
            self._read_key(chars, closed)
        else:
            self._report(chars, complete=closed)
        return end + 1 if closed else len(text)

    def _read_key(self, chars: str, closed: bool) -> None:
        # One character more than the longest wanted key is enough to know it is none of them.
        self._key = (self._key + chars)[: self._longest + 1]
        if closed:
            self.state = "colon"

    def _number(self, text: str, at: int) -> int:
        end = end_of(_NUMBER, text, at)
        self._report(text[at:end], complete=end < len(text))
        return end

    def _literal(self, text: str, at: int) -> int:
        if text[at] != self._left[0]:
            self.state = "broken"
            return at
        self._left = self._left[1:]
        self._report(text[at], complete=not self._left)
        return at + 1

    def _nested(self, text: str, at: int) -> int:
        end, closed = at, False
        while end < len(text) and not closed:
            end = self._quoted(text, end) if self._in_quotes else self._unquoted(text, end)
            closed = not self._depth
        self._report(text[at:end], complete=closed)
        return end

    def _unquoted(self, text: str, at: int) -> int:
        for mark in _BRACKET_OR_QUOTE.finditer(text, at):
            if mark[0] == '"':
                self._in_quotes = True
                return mark.end()
            self._depth += 1 if mark[0] in "{[" else -1
            if not self._depth:
                return mark.end()
        return len(text)

    def _quoted(self, text: str, at: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        end = end_of(_SOURCE, text, at)
        if end == len(text):
            return end
        self._in_quotes = self._escaped = text[end] == "\\"
        return end + 1

    def _report(self, text: str, *, complete: bool) -> None:
        if self._key in self._wanted:
            self._collect(text, complete)
        if complete:
            self._wanted.discard(self._key)
            self.state = "comma"

    def _collect(self, text: str, complete: bool) -> None:
        text, self._high = self._high + text, ""
        if not complete and "\ud800" <= text[-1:] <= "\udbff" and _MAYBE_LOW.match(self._held):
            text, self._high = text[:-1], text[-1]
        if not text.isascii():
            text = join_surrogates(text)
        if text or complete:
            self._pieces.append(Piece(self._key, text, self.state == "string", complete))

    _READERS: ClassVar[dict[State, "_Reader"]] = {
        **dict.fromkeys(_NEXT, _between),
        "key": _string,
        "string": _string,
        "nested": _nested,
        "number": _number,
        "literal": _literal,
    }


_Reader: TypeAlias = Callable[[JsonObject, str, int], int]
