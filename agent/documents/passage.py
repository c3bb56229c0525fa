"""What is found: passages, and whoever finds them."""

from typing import NamedTuple, Protocol

from langchain_core.callbacks import Callbacks


class Passage(NamedTuple):
    """Some sentences of a document, found for a question."""

    title: str
    """The document's, and the headings above the passage."""
    location: str
    """Where it stands: a path inside the folder, or an address."""
    text: str
    score: float = 0.0
    """The higher the better; to be compared within one search only."""


class NotNow(Exception):
    """Nothing can be said to be missing: what there is, is not read yet, or another has it."""


class Finder(Protocol):
    """Whatever finds passages."""

    async def find(self, question: str, callbacks: Callbacks = None) -> list[Passage]:
        """The best passages first; none if there are none. Raises `NotNow`."""
        ...
