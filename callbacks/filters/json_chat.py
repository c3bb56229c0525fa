"""`json_chat`: prose if it must be, then one JSON object with `action` and `action_input`.

The answer is `action_input` when `action` is exactly `Final Answer`: the decoded
string, or another value's JSON source. It may have to wait for an `action` that
comes second. Any other `action` is a tool's name.

Where the object may stand is `json_blob`'s matter, how it is read `json_object`'s.
What follows it is ignored. If it is broken before anything of it was certain, the
reply has neither answer nor action; if it is broken later, the answer ends there.
"""

from collections.abc import Iterable

from callbacks.filters.base import ActionRead, Chunk, Delta
from callbacks.filters.json_blob import BlobFinder
from callbacks.filters.json_object import JsonObject, Piece, is_plain
from callbacks.filters.json_value import Value
from callbacks.filters.signs import Signs, key
from stream.events import AnswerDelta

FINAL_ANSWER = "Final Answer"
KEYS = ("action", "action_input")


class JsonChatFilter:
    """One reply in the `json_chat` format, being read."""

    def __init__(self) -> None:
        self._finder = BlobFinder()
        self._blob = JsonObject(*KEYS)
        self._signs = Signs(key(*KEYS))
        self._action = Value()
        self._input = Value()
        self._answering = False  # the answer has begun ...
        self._takes_plain = False  # ... and a string without escapes is the next piece of it
        self._done = False  # whatever comes now is ignored

    def feed(self, chunk: Chunk) -> list[Delta]:
        text = chunk.text
        if self._takes_plain and is_plain(text):  # nearly every token of an answer
            return [AnswerDelta(text)]
        self._signs.look(text)
        if self._done:
            return []
        start = self._finder.find(text)
        return self._understand(self._blob.feed(text[start:]), over=False) if start >= 0 else []

    def close(self) -> list[Delta]:
        if self._done:
            return []
        return self._understand(self._blob.close(), over=True)

    @property
    def attempted(self) -> bool:
        """A whole object with other keys is no attempt: it may be what the user asked for."""
        return self._signs.seen or (self._finder.begun and self._blob.state != "closed")

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
