"""`react_json`: thoughts, then a fenced JSON blob with an action, or `Final Answer: ..`.

As `react`, but `Final Answer:` wins over a blob that stands before it, and at the start
of a line in a blob it does too. So an action is certain when the reply is over.

Where the blob stands and how it is read is as in `json_chat`, but without a fence there
is none, and a tool that is called `Final Answer` is a tool.
"""

from collections.abc import Iterable

from callbacks.filters.base import ActionRead
from callbacks.filters.json_blob import BlobFinder
from callbacks.filters.json_chat import KEYS
from callbacks.filters.json_object import JsonObject
from callbacks.filters.json_value import Value
from callbacks.filters.marked import OBSERVATION, MarkedFilter
from callbacks.filters.seeker import seek_any
from callbacks.filters.signs import key


class ReactJsonFilter(MarkedFilter):
    """One reply in the `react_json` format, being read."""

    def __init__(self, stops: Iterable[str] = OBSERVATION) -> None:
        stops = tuple(stops)
        super().__init__("Final Answer:", _BlobAction(stops), stops, key(*KEYS))


class _BlobAction:
    """The first fenced JSON object of the reply."""

    def __init__(self, stops: Iterable[str]) -> None:
        self.whole_at = 0
        self.certain_at: int | None = None
        self.over = False
        self._fed = 0
        self._finder = BlobFinder()
        self._finder.find("-\n")  # prose, so that the object must be fenced
        self._blob = JsonObject(*KEYS)
        self._values = {name: Value() for name in KEYS}
        self._action: ActionRead | None = None
        self._after = seek_any(*stops)

    @property
    def begun(self) -> bool:
        """A whole object that is no action was meant as something else."""
        return self._finder.begun and self._blob.state != "closed"

    def feed(self, text: str) -> None:
        self._fed += len(text)
        start = self._finder.find(text)
        if start < 0:
            return
        if not self._blob.ended:
            for piece in self._blob.feed(text := text[start:]):
                self._values[piece.key].add(piece)
            text = text[self._blob.consumed :]
            if self._blob.state == "closed":
                self._action, self.whole_at = self._understand(), self._fed - len(text)
        if self._action:
            _, stop, end = self._after.seek(text)
            if stop:
                self.over, self.certain_at = True, self._fed - len(text) + end

    def read(self) -> ActionRead | None:
        return self._action

    def _understand(self) -> ActionRead | None:
        name, given = map(self._values.__getitem__, KEYS)
        if not (name.quoted and name.complete):
            return None
        return ActionRead(name.text, given.parsed())
