"""The `think` layer: what a model thinks aloud before it begins, over any other grammar.

A reply may begin with a `<think>..</think>` block, or, where the prompt's template
has opened the block already, with what is in it. That is a thought, and so is what
the provider labels as reasoning. The rest is the inner grammar's, without leading
white space. A `<think>` further on is just text.
"""

from collections.abc import Callable
from typing import TypeAlias

from callbacks.filters.base import AnswerFilter, Chunk, Delta, TextFilter
from callbacks.filters.seeker import seek_any
from callbacks.filters.thoughts import Thoughts

_OPENS = "<think>"
_CLOSES = "</think>"


class ThinkFilter:
    """One reply of a model that thinks first, being read."""

    def __init__(self, inner: AnswerFilter, *, opened: bool = False) -> None:
        """`opened` if the prompt ends with `<think>`; the model may still repeat it."""
        self.inner = self._inner = inner
        self._opened = opened
        self._thoughts = Thoughts()
        self._read: _Reader = ThinkFilter._start
        self._held = ""  # an opening tag that may have begun
        self._closing = seek_any(_CLOSES)
        self._passes = False  # all text is the inner grammar's now
        self._deltas: list[Delta] = []

    def feed(self, chunk: Chunk) -> list[Delta]:
        if self._passes and not chunk.thought:  # nearly every token of an answer
            return self._inner.feed(chunk)
        text, thought, calls, phase = chunk.text, chunk.thought, chunk.calls, chunk.phase
        self._deltas = self._thoughts.feed(thought) if thought else []
        if not self._passes:
            text = self._read(self, text)
        if text or calls or phase:
            self._deltas += self._inner.feed(Chunk(text, "", calls, phase))
        return self._deltas

    def close(self) -> list[Delta]:
        held, self._held = self._held + self._closing.close(), ""
        if self._read is ThinkFilter._start and not self._opened:
            deltas = self._inner.feed(Chunk(held)) if held else []
        else:
            deltas = self._thoughts.feed(held)
        return [*deltas, *self._thoughts.close(), *self._inner.close()]

    def over(self, inner: AnswerFilter) -> "ThinkFilter":
        """The same layer, over another grammar."""
        return ThinkFilter(inner, opened=self._opened)

    @property
    def attempted(self) -> bool:
        """What the inner grammar says of the rest."""
        return isinstance(self._inner, TextFilter) and self._inner.attempted

    # Each of these returns what of the text is the inner grammar's.

    def _start(self, text: str) -> str:
        text, self._held = (self._held + text).lstrip(), ""
        if len(text) < len(_OPENS) and _OPENS.startswith(text):
            self._held = text
            return ""
        if self._opened or text.startswith(_OPENS):
            self._read = ThinkFilter._block
            return self._block(text.removeprefix(_OPENS))
        return self._after(text)

    def _block(self, text: str) -> str:
        thought, mark, end = self._closing.seek(text)
        self._deltas += self._thoughts.feed(thought)
        if not mark:
            if self._closing.held:  # so that half a surrogate pair before it is alone
                self._deltas += self._thoughts.close()
            return ""
        self._deltas += self._thoughts.close()
        self._read = ThinkFilter._after
        return self._after(text[end:])

    def _after(self, text: str) -> str:
        text = text.lstrip()
        self._passes = bool(text)
        return text


_Reader: TypeAlias = Callable[[ThinkFilter, str], str]
