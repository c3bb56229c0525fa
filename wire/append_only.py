"""For wires that cannot take text back: what is uncertain waits until it is confirmed."""

from collections.abc import Sequence

from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted
from stream.log import Entry


class AppendOnly:
    """Turns batches of events into text that only ever grows."""

    def __init__(self) -> None:
        self._uncertain: list[str] = []

    def text(self, batch: Sequence[Entry]) -> str:
        """The answer's characters that this batch made certain, often none."""
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
                case AnswerRetracted():
                    self._uncertain.clear()
                case _:
                    pass
        return "".join(certain)
