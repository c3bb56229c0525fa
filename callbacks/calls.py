"""Which of an agent's model calls speak to the user, and one grammar for each of them.

LangChain reports every call of a run, nested ones too: a tool that asks a model,
a sub-agent, a retriever that rewrites the question. A call speaks to the user
only if none of its ancestors is a tool or a retriever. One grammar per call, so
that tokens of interleaved calls cannot mix.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from callbacks.chunks import chunks_of
from callbacks.filters.base import AnswerFilter, Delta

SILENT_TAG = "nostream"
"""LangGraph's own tag for model calls that nobody should see."""


class Calls:
    """The calls of one run, by LangChain's `run_id` and `parent_run_id`."""

    def __init__(self, grammar: Callable[[], AnswerFilter]) -> None:
        self._grammar = grammar
        self._nested: set[UUID] = set()
        self._filters: dict[UUID, AnswerFilter] = {}
        self._silent_so_far: set[UUID] = set()

    def enter(self, run_id: UUID, parent: UUID | None, *, hides: bool = False) -> bool:
        """A step begins; `hides` if what happens inside is not for the user.

        Returns whether the step itself is visible.
        """
        visible = parent not in self._nested
        if hides or not visible:
            self._nested.add(run_id)
        return visible

    def begin(self, run_id: UUID, parent: UUID | None, tags: Sequence[str] | None) -> None:
        """A model call begins."""
        if parent not in self._nested and SILENT_TAG not in (tags or ()):
            self._filters[run_id] = self._grammar()
            self._silent_so_far.add(run_id)

    def speaks(self, run_id: UUID) -> bool:
        """Whether this model call is under way and speaks to the user."""
        return run_id in self._filters

    def feed(self, run_id: UUID, token: str | list[Any], message: object = None) -> list[Delta]:
        """A token of a model call came, in LangChain's `message` if it is a chat model's."""
        if (grammar := self._filters.get(run_id)) is None:
            return []
        chunks = chunks_of(token, message)
        if self._silent_so_far and any(map(any, chunks)):  # hashing an id is not free
            self._silent_so_far.discard(run_id)
        if len(chunks) == 1:
            return grammar.feed(chunks[0])
        return [delta for chunk in chunks for delta in grammar.feed(chunk)]

    def end(self, run_id: UUID, text: str, message: object = None) -> list[Delta]:
        """A model call is over. This is all it said, for models that do not stream."""
        unheard = run_id in self._silent_so_far
        deltas = self.feed(run_id, text, message) if unheard else []
        self._silent_so_far.discard(run_id)
        grammar = self._filters.pop(run_id, None)
        return [*deltas, *grammar.close()] if grammar else []


def text_of(content: list[Any]) -> str:
    """The text of a message's content blocks."""
    return "".join(chunk.text for chunk in chunks_of(content))
