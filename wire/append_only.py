"""For wires that cannot take text back: what becomes of text that may not be the answer."""

from collections.abc import Mapping, Sequence

from stream.errors import ProducerLost
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted
from stream.log import Entry


class AppendOnly:
    """Turns batches of events into text that only ever grows. Holds what is uncertain."""

    def __init__(self) -> None:
        self._uncertain: list[str] = []
        self._begun = False

    def text(self, batch: Sequence[Entry]) -> str:
        """The answer's characters that this batch made certain, often none.

        Raises `ProducerLost` if the run begins anew after some of them went out.
        """
        certain: list[str] = []
        for _, event in batch:
            match event:
                case AnswerDelta(text=text, certain=True):
                    certain.append(text)
                case AnswerDelta(text=text):
                    self._uncertain.append(text)
                case AnswerConfirmed():
                    certain += self._uncertain
                    self._uncertain.clear()
                case AnswerRetracted(certain=True) if certain or self._begun:
                    raise ProducerLost
                case AnswerRetracted():
                    self._uncertain.clear()
                case _:
                    pass
        self._begun = self._begun or bool(certain)
        return "".join(certain)


class Eager(AppendOnly):
    """Shows what is uncertain at once. What is retracted stays, a blank line before the rest."""

    def __init__(self) -> None:
        super().__init__()  # nothing is ever held
        self._gap, self._shown = "", False

    def text(self, batch: Sequence[Entry]) -> str:
        """All characters that this batch has for the answer."""
        said: list[str] = []
        for _, event in batch:
            match event:
                case AnswerDelta(text=text, certain=certain):
                    said += (self._gap, text)
                    self._gap, self._begun = "", True
                    self._shown = self._shown or not certain
                case AnswerConfirmed():
                    self._shown = False
                case AnswerRetracted(certain=certain) if self._shown or (certain and self._begun):
                    self._gap, self._shown = "\n\n", False  # for the next text, if there is one
                case _:
                    pass
        return "".join(said)


MODES: Mapping[str, type[AppendOnly]] = {"exact": AppendOnly, "eager": Eager}
"""By the names that `LASTWORD_ANSWER_MODE` has for them."""
