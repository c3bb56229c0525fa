"""`react_json`: thoughts, then a fenced JSON blob with an action, or `Final Answer: ..`.

As `react`, but `Final Answer:` wins over a blob that stands before it, and at the start
of a line in a blob it does too. So an action is certain when the reply is over.

Where the blob stands and how it is read is as in `json_chat`, but without a fence there
is none, and a tool that is called `Final Answer` is a tool.
"""

from collections.abc import Iterable

from callbacks.filters.base import ActionRead
from callbacks.filters.json_blob import BlobFinder
from callbacks.filters.json_object import JsonObject, Piece
from callbacks.filters.json_value import parse_json
from callbacks.filters.marked import OBSERVATION, MarkedFilter
from callbacks.filters.passage import seek_any


class ReactJsonFilter(MarkedFilter):
    """One reply in the `react_json` format, being read."""

    def __init__(self, stops: Iterable[str] = OBSERVATION) -> None:
        stops = tuple(stops)
        super().__init__("Final Answer:", _BlobAction(stops), stops)


class _BlobAction:
    """The first fenced JSON object of the reply."""

    def __init__(self, stops: Iterable[str]) -> None:
        self.whole_at = 0
        self.certain_at: int | None = None
        self.over = False
        self._fed = 0
        self._finder = BlobFinder()
        self._finder.find("-\n")  # prose, so that the object must be fenced
        self._found = False
        self._blob = JsonObject("action", "action_input")
        self._values: dict[str, list[Piece]] = {}
        self._action: ActionRead | None = None
        self._after = seek_any(stops)

    def feed(self, text: str) -> None:
        self._fed += len(text)
        if not self._found:
            start = self._finder.find(text)
            if start < 0:
                return
            self._found, text = True, text[start:]
        if not self._blob.ended:
            for piece in self._blob.feed(text):
                self._values.setdefault(piece.key, []).append(piece)
            text = text[self._blob.consumed :]
            if self._blob.state == "closed":
                self._action, self.whole_at = self._understand(), self._fed - len(text)
        if self._action:
            _, stop, rest = self._after.seek(text)
            if stop:
                self.over, self.certain_at = True, self._fed - len(rest)

    def read(self) -> ActionRead | None:
        return self._action

    def _understand(self) -> ActionRead | None:
        name, name_is_string = self._value("action")
        given, given_is_string = self._value("action_input")
        if not name_is_string:
            return None
        if given_is_string:
            return ActionRead(name, given)
        value = parse_json(given or "null")
        return ActionRead(name, {} if value is None else value)

    def _value(self, key: str) -> tuple[str, bool]:
        pieces = self._values.pop(key, [])
        return "".join(piece.text for piece in pieces), any(piece.quoted for piece in pieces)
