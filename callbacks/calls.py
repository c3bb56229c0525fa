"""Which of an agent's model calls speak to the user, and one grammar for each of them.

LangChain reports every call of a run, nested ones too: a tool that asks a model,
a sub-agent, a retriever that rewrites the question. A call speaks to the user
only if none of its ancestors is a tool or a retriever. One grammar per call, so
that tokens of interleaved calls cannot mix.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from callbacks.filters.base import AnswerFilter, Chunk, Delta

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

    def feed(self, run_id: UUID, token: str | list[Any]) -> list[Delta]:
        """A token of a model call came."""
        if (grammar := self._filters.get(run_id)) is None:
            return []
        text = token if isinstance(token, str) else text_of(token)
        if text:
            self._silent_so_far.discard(run_id)
        return grammar.feed(Chunk(text))

    def end(self, run_id: UUID, text: str) -> list[Delta]:
        """A model call is over. `text` is all it said, for models that do not stream."""
        if (grammar := self._filters.pop(run_id, None)) is None:
            return []
        unheard = run_id in self._silent_so_far
        self._silent_so_far.discard(run_id)
        return [*(grammar.feed(Chunk(text)) if unheard else ()), *grammar.close()]


def text_of(content: list[Any]) -> str:
    """The text of a message's content blocks."""
    return "".join(
        block if isinstance(block, str) else block.get("text") or ""
        for block in content
        if isinstance(block, str) or block.get("type") == "text"
    )
