"""Which of an agent's model calls speak to the user, and one grammar for each of them.

LangChain reports every call of a run, nested ones too: a tool that asks a model,
a sub-agent, a retriever that rewrites the question. A call speaks to the user
only if none of its ancestors is a tool, a retriever or an aside. One grammar per
call, so that tokens of interleaved calls cannot mix.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from callbacks.answer import Answer, Speaker
from callbacks.asides import is_aside, is_silent
from callbacks.chunks import chunks_of
from callbacks.filters.base import AnswerFilter, Delta
from callbacks.filters.json_object import join_surrogates
from callbacks.returned import answer_in


class Calls:
    """The calls of one run, by LangChain's `run_id` and `parent_run_id`."""

    def __init__(self, grammar: Callable[[], AnswerFilter]) -> None:
        self.answer = Answer()
        self._grammar = grammar
        self._nested: set[UUID] = set()
        self._speakers: dict[UUID, Speaker] = {}
        self._silent_so_far: set[UUID] = set()

    def enter(
        self,
        run_id: UUID,
        parent: UUID | None,
        *,
        hides: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        """A step begins; `hides` if what happens inside is not for the user.

        Returns whether the step itself is visible.
        """
        visible = parent not in self._nested
        if hides or not visible or is_aside(metadata):
            self._nested.add(run_id)
        return visible

    def begin(
        self,
        run_id: UUID,
        parent: UUID | None,
        tags: Sequence[str] | None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """A model call begins. Raises if the run has failed: it would be asked in vain."""
        if parent not in self._nested and not is_silent(tags, metadata):
            self.answer.check()
            self._speakers[run_id] = Speaker(self._grammar())
            self._silent_so_far.add(run_id)

    def speaker(self, run_id: UUID) -> Speaker | None:
        """The model call, if it is under way and speaks to the user."""
        return self._speakers.get(run_id)

    def feed(self, run_id: UUID, token: str | list[Any], message: object = None) -> list[Delta]:
        """A token of a model call came, in LangChain's `message` if it is a chat model's."""
        if (speaker := self._speakers.get(run_id)) is None:
            return []
        deltas = self._read(speaker.grammar, run_id, token, message)
        return self.answer.hear(speaker, deltas) if deltas else deltas

    def end(self, run_id: UUID, text: str, message: object = None) -> list[Delta]:
        """A model call is over. This is all it said, for models that do not stream."""
        unheard = run_id in self._silent_so_far
        if (speaker := self._forget(run_id)) is None:
            return []
        grammar = speaker.grammar
        deltas = self._read(grammar, run_id, text, message) if unheard else []
        return self.answer.end(speaker, [*deltas, *grammar.close()], text)

    def fail(self, run_id: UUID) -> list[Delta]:
        """A model call broke. What it said is not the answer, where it can be taken back."""
        speaker = self._forget(run_id)
        return self.answer.take_back(speaker) if speaker else []

    def finish(self, returned: str | None) -> list[Delta]:
        """The agent returned this text, or something that has none. Raises if it cannot stand."""
        if returned is not None and not self.answer.is_said(returned := join_surrogates(returned)):
            returned = answer_in(returned, self._grammar)
        return self.answer.finish(returned)

    def _read(
        self, grammar: AnswerFilter, run_id: UUID, token: str | list[Any], message: object
    ) -> list[Delta]:
        chunks = chunks_of(token, message)
        if self._silent_so_far and any(chunks):  # hashing an id is not free
            self._silent_so_far.discard(run_id)
        if len(chunks) == 1:
            return grammar.feed(chunks[0])
        return [delta for chunk in chunks for delta in grammar.feed(chunk)]

    def _forget(self, run_id: UUID) -> Speaker | None:
        self._silent_so_far.discard(run_id)
        return self._speakers.pop(run_id, None)
