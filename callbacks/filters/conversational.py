"""`conversational`: thoughts, then `Action: ..` and `Action Input: ..`, or `AI: ..`.

As `react`, but the marker is `AI:` and wins over an action that stands before it. So
an action is certain when the reply is over.
"""

from collections.abc import Iterable

from callbacks.filters.marked import OBSERVATION, MarkedFilter
from callbacks.filters.react import WrittenAction


class ConversationalFilter(MarkedFilter):
    """One reply in the `conversational` format, being read."""

    def __init__(self, stops: Iterable[str] = OBSERVATION) -> None:
        stops = tuple(stops)
        super().__init__("AI:", WrittenAction(stops, wins=False), stops)
