"""The `json_chat` format read naively: a whole text, character by character, nothing kept.

Written apart from the filter and sharing nothing with it. Slow, but plain to see right.
"""

import json
import re
import string
from dataclasses import dataclass, field
from typing import Any

from callbacks.filters.base import ActionRead

OBJECT_FOLLOWS = re.compile(
    r"(?:json)?[ \t\r\n\ufeff]*(?:\[[ \t\r\n\ufeff]*)?(?=\{)", re.IGNORECASE
)
OBJECT_AT_START = re.compile(r"[ \t\r\n\ufeff]*(?:\[[ \t\r\n\ufeff]*)?(?=\{)")
FENCE = re.compile("`{3,}")


@dataclass
class Reference:
    """`whole` if the object was closed, so that the text is a complete reply."""

    answer: str | None = None
    action: ActionRead | None = None
    whole: bool = False


class Stop(Exception):
    """The text ends, or breaks, here."""


@dataclass
class Value:
    text: str = ""
    quoted: bool = False
    complete: bool = False


@dataclass
class Blob:
    text: str
    at: int
    values: dict[str, Value] = field(default_factory=dict)
    whole: bool = False
    broken: bool = False

    def read(self) -> None:
        try:
            self.skip("{")
            while self.peek() != "}":
                self.member()
                if self.peek() != "}":
                    self.skip(",")
            self.whole = True
        except Stop:
            pass

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        if self.at == len(self.text):
            raise Stop
        return self.text[self.at]

    def skip(self, char: str) -> None:
        if self.peek() != char:
            self.broken = True
            raise Stop
        self.at += 1

    def member(self) -> None:
        key = Value()
        if self.peek() != '"':
            self.skip('"')
        self.string(key)
        self.skip(":")
        value = Value()
        if key.text not in self.values:
            self.values[key.text] = value
        char = self.peek()
        if char == '"':
            self.string(value)
        elif char in "{[":
            self.nested(value)
        elif char in "-0123456789":
            self.number(value)
        else:
            self.literal(value)

    def next(self) -> str:
        if self.at == len(self.text):
            raise Stop
        self.at += 1
        return self.text[self.at - 1]

    def string(self, value: Value) -> None:
        value.quoted = True
        units = ""
        self.at += 1
        try:
            while (char := self.next()) != '"':
                units += self.escape() if char == "\\" else char
            value.complete = True
        finally:
            value.text = joined(units)

    def escape(self) -> str:
        char = self.next()
        if char != "u":
            known = dict(zip("bfnrt\"'\\/", "\b\f\n\r\t\"'\\/", strict=True))
            return known.get(char, "\\" + char)
        begin = self.at
        while self.at < begin + 4:
            if self.next() not in string.hexdigits:
                self.at = begin
                return "\\u"
        return chr(int(self.text[begin : self.at], 16))

    def nested(self, value: Value) -> None:
        begin, depth, quoted = self.at, 0, False
        try:
            while True:
                char = self.next()
                if quoted and char == "\\":
                    self.next()
                elif char == '"':
                    quoted = not quoted
                elif not quoted and char in "{[":
                    depth += 1
                elif not quoted and char in "}]":
                    depth -= 1
                if not depth:
                    value.complete = True
                    return
        finally:
            value.text = joined(self.text[begin : self.at])

    def number(self, value: Value) -> None:
        while self.at < len(self.text) and self.text[self.at] in "-+.eE0123456789":
            value.text += self.next()
        value.complete = self.at < len(self.text)

    def literal(self, value: Value) -> None:
        words = {"t": "true", "f": "false", "n": "null"}
        for char in words.get(self.peek(), "?"):
            if self.at == len(self.text) or self.text[self.at] != char:
                self.broken = self.at < len(self.text)
                raise Stop
            value.text += self.next()
        value.complete = True


def joined(units: str) -> str:
    """Surrogates joined by twos, and U+FFFD for one that is alone."""
    out, at = "", 0
    while at < len(units):
        unit = ord(units[at])
        low = ord(units[at + 1]) if at + 1 < len(units) else 0
        if 0xD800 <= unit < 0xDC00 and 0xDC00 <= low < 0xE000:
            out += chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            at += 2
        else:
            out += "\ufffd" if 0xD800 <= unit < 0xE000 else units[at]
            at += 1
    return out


def object_start(text: str) -> int | None:
    if bare := OBJECT_AT_START.match(text):
        return bare.end()
    at, in_code = 0, False
    while fence := FENCE.search(text, at):
        at = fence.end()
        line = text[: fence.start()].split("\n")[-1]
        starts_line = not line.strip(" \t\r\ufeff")
        if in_code:
            in_code = not starts_line
        elif follows := OBJECT_FOLLOWS.match(text, at):
            return follows.end()
        else:
            in_code = starts_line
    return None


def read_whole(text: str) -> Reference:
    start = object_start(text)
    if start is None:
        return Reference()
    blob = Blob(text, start)
    blob.read()
    nothing = Reference(whole=blob.whole)
    action = blob.values.get("action", Value())
    value = blob.values.get("action_input", Value())
    if not (action.complete and action.quoted):
        return nothing
    if action.text == "Final Answer":
        answer = value.text if value.text or value.complete else None
        return Reference(answer=answer, whole=blob.whole)
    if blob.whole or (value.complete and not blob.broken):
        return Reference(action=ActionRead(action.text, tool_input(value)), whole=blob.whole)
    return nothing


def tool_input(value: Value) -> Any:
    if value.quoted:
        return value.text
    try:
        parsed = json.loads(value.text or "null", strict=False)
    except ValueError:
        return value.text
    return {} if parsed is None else clean(parsed)


def clean(value: Any) -> Any:
    if isinstance(value, str):
        return joined(value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    return value
