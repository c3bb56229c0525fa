"""One field of a JSON object as the answer, said while it is written."""

from collections.abc import Iterable

from callbacks.filters.json_object import JsonObject, Piece, is_plain


class JsonField:
    """The string in a field, decoded, or another value's JSON source.

    Both verbs return what can be said now, None if there is nothing: an empty
    string says that the value is empty.
    """

    def __init__(self, key: str) -> None:
        self._object = JsonObject(key)
        self._saying = False  # the value has begun ...
        self.takes_plain = False  # ... and a string without escapes is the next piece of it
        self._done = False

    def feed(self, source: str) -> str | None:
        if self.takes_plain and is_plain(source):  # nearly every token of an answer
            return source
        return None if self._done else self._say(self._object.feed(source))

    def close(self) -> str | None:
        return None if self._done else self._say(self._object.close())

    def _say(self, pieces: Iterable[Piece]) -> str | None:
        text, complete = "", False
        for piece in pieces:  # of this value only: of a key given twice the first counts
            text, complete = text + piece.text, piece.complete
        says_something = bool(text) or (complete and not self._saying)
        self._saying = self._saying or says_something
        self._done = complete or self._object.ended
        self.takes_plain = self._saying and not self._done and self._object.takes_plain
        return text if says_something else None
