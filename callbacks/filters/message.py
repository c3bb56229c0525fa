"""`message`: native tool calling, where the message that calls no tool is the answer.

Only its end shows that a message calls no tool, so its text is uncertain until
then; what follows a call is a thought. A provider may do better and say what text
is: `final_answer` is certain at once, `commentary` is a thought. It says so once,
where that text begins.
"""

from callbacks.filters.base import Chunk, Delta
from callbacks.filters.thoughts import Thoughts
from callbacks.filters.until import Until
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted

_FINAL = "final_answer"
_COMMENTARY = "commentary"


class MessageFilter:
    """One message of a model with native tool calling, being read."""

    def __init__(self) -> None:
        self._answer = Until()
        self._thoughts = Thoughts()
        self._phase: str | None = None
        self._called = False
        self._uncertain = False  # some uncertain text is out
        self._flows = False  # printable text is the next piece of the answer as it stands

    def feed(self, chunk: Chunk) -> list[Delta]:
        text, thought, calls, phase = chunk.text, chunk.thought, chunk.calls, chunk.phase
        if self._flows and text.isprintable() and text and not (thought or calls or phase):
            return [AnswerDelta(text, self._phase == _FINAL)]  # nearly every token of an answer
        deltas = self._thoughts.feed(thought) if thought else []
        if phase and phase != self._phase:
            deltas += self._label(phase)
        if text:
            deltas += self._read(text)
        if calls and not self._called:
            deltas += self._retract()
            self._called = True
        known = self._uncertain or self._phase == _FINAL  # what the end will say of the text
        self._flows = known and self._answer.flows and not self._hushed
        return deltas

    def close(self) -> list[Delta]:
        deltas = [*self._thoughts.close(), *self._say(self._answer.close())]
        return [*deltas, AnswerConfirmed()] if self._uncertain else deltas

    def _read(self, text: str) -> list[Delta]:
        return self._thoughts.feed(text) if self._hushed else self._say(self._answer.feed(text))

    @property
    def _hushed(self) -> bool:
        """Text is a thought now."""
        return self._called or self._phase == _COMMENTARY

    def _say(self, text: str) -> list[Delta]:
        if not text:
            return []
        certain = self._phase == _FINAL
        self._uncertain = self._uncertain or not certain
        return [AnswerDelta(text, certain)]

    def _label(self, phase: str) -> list[Delta]:
        # Text without a label, before text that is labelled as the answer, was a preamble.
        deltas = self._retract() if phase == _FINAL else self._say(self._answer.close())
        self._phase = phase
        return deltas

    def _retract(self) -> list[Delta]:
        if self._phase == _FINAL:  # it is certain
            return []
        self._answer.close()
        deltas: list[Delta] = [AnswerRetracted()] if self._uncertain else []
        self._uncertain = False
        return deltas
