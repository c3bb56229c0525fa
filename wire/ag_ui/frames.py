"""Events as frames: data only, each ended by a blank line, deltas of one thing in one frame."""

import json
from typing import Any, TypeAlias

Fields: TypeAlias = dict[str, Any]

MAX_DELTA = 65_536
"""Characters. The client gives up at a frame of ten million."""


class Frames:
    """Collects what one batch has to say."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._deltas: list[str] = []
        self._delta: Fields = {}  # what those are of

    def event(self, kind: str, **fields: Any) -> None:
        self._end_delta()
        self._frames.append(_frame({"type": kind, **fields}))

    def delta(self, kind: str, text: str, **fields: Any) -> None:
        """A piece of a text. One without text is no event: old clients refuse it."""
        delta = {"type": kind, **fields}
        if delta != self._delta:
            self._end_delta()
            self._delta = delta
        self._deltas.append(text)

    def take(self) -> bytes:
        """All that was collected since the last time."""
        self._end_delta()
        frames = b"".join(self._frames)
        self._frames.clear()
        return frames

    def _end_delta(self) -> None:
        text = "".join(self._deltas)
        self._deltas.clear()
        for start in range(0, len(text), MAX_DELTA):
            self._frames.append(_frame({**self._delta, "delta": text[start : start + MAX_DELTA]}))


# ASCII only: some clients split lines at U+2028, NEL and others of the kind. `json.dumps` would
# make an encoder for each frame.
_JSON = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def _frame(event: Fields) -> bytes:
    return b"data: " + _JSON.encode(event).encode() + b"\n\n"
