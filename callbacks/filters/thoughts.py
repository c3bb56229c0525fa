"""Text that nobody takes for the answer."""

from callbacks.filters.base import Delta
from callbacks.filters.until import Until
from stream.events import ThoughtDelta


class Thoughts:
    """What a model thinks, as it comes: only made encodable."""

    def __init__(self) -> None:
        self._text = Until()

    @property
    def flow(self) -> bool:
        """Whether printable text is the next piece as it stands, and need not be fed."""
        return self._text.flows

    def feed(self, text: str) -> list[Delta]:
        text = self._text.feed(text)
        return [ThoughtDelta(text)] if text else []

    def close(self) -> list[Delta]:
        text = self._text.close()
        return [ThoughtDelta(text)] if text else []
