"""A JSON value, as a tool is given it."""

import json
from typing import Any

from callbacks.filters.json_object import Piece, join_surrogates


def parse_json(source: str) -> Any:
    """The value, always encodable; what is no JSON stays text."""
    try:
        value = json.loads(source, strict=False)
        # Written out and read again, because escapes in it may have made lone surrogates.
        return json.loads(join_surrogates(json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError):
        return join_surrogates(source)


class Value:
    """The value of a key, as far as it has come."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.quoted = True
        self.complete = False

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def take(self) -> str:
        text = self.text
        self.parts.clear()
        return text

    def add(self, piece: Piece) -> None:
        self.parts.append(piece.text)
        self.quoted, self.complete = piece.quoted, piece.complete
        if self.complete:
            self.parts = [self.text]  # once: an action is looked at again with every token

    def parsed(self) -> Any:
        """What a tool is given: the string, or the parsed JSON, or nothing at all as `{}`."""
        if self.quoted and self.complete:
            return self.text
        value = parse_json(self.text) if self.complete else None
        return {} if value is None else value
