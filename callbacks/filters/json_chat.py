"""`json_chat`: prose if it must be, then one JSON object with `action` and `action_input`.

The answer is `action_input` when `action` is exactly `Final Answer`: the decoded
string, or another value's JSON source. It may have to wait for an `action` that
comes second. Any other `action` is a tool's name.

Where the object may stand is `json_blob`'s matter, how it is read `json_object`'s.
What follows it is ignored. If it is broken before anything of it was certain, the
reply has neither answer nor action; if it is broken later, the answer ends there.
"""

from collections.abc import Iterable
from typing import Any

from callbacks.filters.base import ActionRead, Chunk, Delta
from callbacks.filters.json_blob import BlobFinder
from callbacks.filters.json_object import JsonObject, Piece, is_plain
from callbacks.filters.json_value import parse_json
from stream.events import AnswerDelta

FINAL_ANSWER = "Final Answer"


class JsonChatFilter:
    """One reply in the `json_chat` format, being read."""

    def __init__(self) -> None:
        self._finder = BlobFinder()
        self._blob = JsonObject("action", "action_input")
        self._action = _Value()
        self._input = _Value()
        self._found = False  # the object has begun
        self._answering = False  # the answer has begun ...
        self._takes_plain = False  # ... and a string without escapes is the next piece of it
        self._done = False  # whatever comes now is ignored

    def feed(self, chunk: Chunk) -> list[Delta]:
        text = chunk.text
        if self._takes_plain and is_plain(text):  # nearly every token of an answer
            return [AnswerDelta(text)]
        if self._done:
            return []
        if not self._found:
            start = self._finder.find(text)
            if start < 0:
                return []
            self._found, text = True, text[start:]
        return self._understand(self._blob.feed(text), over=False)

    def close(self) -> list[Delta]:
        if self._done:
            return []
        return self._understand(self._blob.close(), over=True)

    def _understand(self, pieces: Iterable[Piece], *, over: bool) -> list[Delta]:
        for piece in pieces:
            (self._action if piece.key == "action" else self._input).add(piece)
        self._done = over or self._blob.ended or not self._action.quoted
        if not self._action.complete or not self._action.quoted:
            return []
        if self._action.text == FINAL_ANSWER:
            return self._answer()
        # A tool never runs on half an input; a missing closing brace is forgiven.
        if self._blob.state == "closed" or (over and self._input.complete):
            return [ActionRead(self._action.text, self._input.parsed())]
        return []

    def _answer(self) -> list[Delta]:
        text, complete = self._input.take(), self._input.complete
        says_something = bool(text) or (complete and not self._answering)
        self._answering = self._answering or says_something
        self._done = self._done or complete
        self._takes_plain = self._answering and not self._done and self._blob.takes_plain
        return [AnswerDelta(text)] if says_something else []


class _Value:
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
