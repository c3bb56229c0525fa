"""Replies with an answer that stands in plain text between two marks."""

from abc import ABC, abstractmethod

from callbacks.filters.base import Chunk, Delta
from callbacks.filters.signs import Signs
from callbacks.filters.until import Until
from stream.events import AnswerDelta


class PassageFilter(ABC):
    """One reply with such an answer, being read."""

    def __init__(self, answer: Until, signs: Signs) -> None:
        self._answer = answer
        self._signs = signs
        self._answering = False  # the answer has begun
        self._said = False  # all that is to say of an empty answer
        self._done = False  # whatever comes now is ignored

    def feed(self, chunk: Chunk) -> list[Delta]:
        if self._answering:
            text = self._answer.feed(chunk.text)
            return [AnswerDelta(text)] if text else self._nothing(over=self._answer.ended)
        if self._done:
            return []
        self._signs.look(chunk.text)
        return self._seek(chunk.text)

    def close(self) -> list[Delta]:
        if self._answering:
            text = self._answer.close()
            return [AnswerDelta(text)] if text else self._nothing(over=True)
        if self._done:
            return []
        self._done = True
        return self._conclude()

    @property
    def attempted(self) -> bool:
        return self._signs.seen

    @abstractmethod
    def _seek(self, text: str) -> list[Delta]:
        """Read on, before the answer."""

    @abstractmethod
    def _conclude(self) -> list[Delta]:
        """The reply is over, and no answer has begun."""

    def _nothing(self, *, over: bool) -> list[Delta]:
        if self._answer.begun or self._said or not over:
            return []
        self._said = True
        return [AnswerDelta("")]
