"""The answer of a run, told by one model call or by several.

Certain text cannot be taken back. So whoever speaks after it has to tell the same
answer from its beginning, as a call does that is asked again because its connection
broke: what was said already is swallowed, the rest goes out. Whoever tells another
answer fails the run, for no reader may see an answer doubled or garbled.

Uncertain text can be taken back. One call has the floor, the last that began to
speak; what others said is retracted. And a call that ends without calling a tool
need not be the last one, so only what the agent returns confirms it.
"""

from dataclasses import dataclass

from callbacks.filters.base import AnswerFilter, Delta
from stream.errors import LastwordError, UnreadableReply, UpstreamTruncated
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, FinishReason


@dataclass(slots=True, eq=False)
class Speaker:
    """One model call that speaks to the user, and the grammar that reads it."""

    grammar: AnswerFilter
    told: int = 0
    """How many characters of the certain answer it has told, new ones or not."""
    tried: bool = False
    """Whether it has said uncertain text."""
    finish_reason: FinishReason = "stop"
    reply: str | None = None
    """Its whole message, when it is over. A format may stand around the answer in it."""


class Answer:
    """Turns what the grammars of a run's calls say into what its readers are told."""

    def __init__(self) -> None:
        self.failure: LastwordError | None = None
        self._certain: list[str] = []
        self._length = 0
        self._reasons: dict[str, FinishReason] = {}  # of each reply
        self._stopped_for: FinishReason | None = None  # of the reply that the agent returned
        self._whole = True  # some call told all of the certain text and ended well
        self._uncertain: list[str] = []
        self.teller: Speaker | None = None  # whose words the last ones are

    @property
    def text(self) -> str:
        """What is certain so far."""
        if len(self._certain) > 1:
            self._certain[:] = ["".join(self._certain)]
        return self._certain[0] if self._certain else ""

    @property
    def said(self) -> str:
        """What readers have seen so far, and not seen taken back."""
        return self.text + "".join(self._uncertain)

    def is_said(self, returned: str) -> bool:
        """Whether this is what readers have seen, or the reply that it was read from."""
        reply = self.teller.reply if self.teller else None
        return returned.strip() in {self.said.strip(), (reply or self.said).strip()}

    @property
    def finish_reason(self) -> FinishReason:
        """Of the call whose words the last ones are."""
        told_for = self.teller.finish_reason if self.teller else "stop"
        return self._stopped_for or told_for

    def hear(self, speaker: Speaker, deltas: list[Delta]) -> list[Delta]:
        """A call said something. Raises if it cannot be a part of the answer."""
        self.check()
        if speaker is self.teller and len(deltas) == 1 and self._goes_on(speaker, deltas[0]):
            return deltas
        heard: list[Delta] = []
        for delta in deltas:
            if isinstance(delta, AnswerDelta):
                heard += self._tell(speaker, delta) if delta.certain else self._try(speaker, delta)
            elif isinstance(delta, AnswerRetracted):
                heard += self.take_back(speaker)
            elif not isinstance(delta, AnswerConfirmed):
                heard.append(delta)
        return heard

    def end(self, speaker: Speaker, deltas: list[Delta], reply: str) -> list[Delta]:
        """A call is over; these are its last words, and `reply` is all that it said."""
        heard = self.hear(speaker, deltas)
        speaker.reply = reply
        self._reasons[reply.strip()] = speaker.finish_reason
        if speaker.told:
            if speaker.told < self._length:
                raise self._fail()
            self._whole, self.teller = True, speaker
        return heard

    def take_back(self, speaker: Speaker) -> list[Delta]:
        """A call called a tool, or failed."""
        speaker.tried = False
        return self._retract() if speaker is self.teller else []

    def finish(self, returned: str | None) -> list[Delta]:
        """The agent returned this answer; None if that is not known. Raises if it cannot stand."""
        self.check()
        if returned is None or self.is_said(returned):
            if not self._whole:
                raise self._fail()
            return self.keep()
        deltas = self._retract()
        if not returned.startswith(self.text):
            raise self._fail()
        self._stopped_for = self._reasons.get(returned.strip())
        return [*deltas, *self._add(returned[self._length :])]

    def keep(self) -> list[Delta]:
        """Nobody says more: what was said is the answer, or what there is of it."""
        if not self._uncertain:
            return []
        self._add("".join(self._uncertain))
        self._uncertain.clear()
        return [AnswerConfirmed()]

    def check(self) -> None:
        """Raises if the run has failed: whoever tries again must fail as well."""
        if self.failure:
            raise self.failure

    def _goes_on(self, speaker: Speaker, delta: Delta) -> bool:
        """Nearly every token: the certain text goes on where it is."""
        if type(delta) is not AnswerDelta or not delta.certain or not delta.text:
            return False
        if self._uncertain:
            return False
        self._certain.append(delta.text)
        speaker.told = self._length = self._length + len(delta.text)
        return True

    def _tell(self, speaker: Speaker, delta: AnswerDelta) -> list[Delta]:
        text = delta.text
        if speaker.told < self._length:
            text = self._unsaid(speaker.told, text)
        speaker.told += len(delta.text)
        if not text:
            return []
        deltas = self._retract()
        self.teller, self._whole = speaker, False
        return deltas + self._add(text)

    def _unsaid(self, at: int, text: str) -> str:
        """What is new of an answer's text that is told once more."""
        said = self.text[at : at + len(text)]
        if not text.startswith(said):
            raise self._fail()
        return text[len(said) :]

    def _try(self, speaker: Speaker, delta: AnswerDelta) -> list[Delta]:
        if self._length or not delta.text:  # it cannot stand beside what is certain
            return []
        if speaker is self.teller:
            self._uncertain.append(delta.text)
            return [delta]
        if speaker.tried:  # another call has the floor by now
            return []
        deltas = self._retract()
        self.teller, speaker.tried = speaker, True
        self._uncertain.append(delta.text)
        return [*deltas, delta]

    def _retract(self) -> list[Delta]:
        if not self._uncertain:
            return []
        self._uncertain.clear()
        self.teller = None
        return [AnswerRetracted()]

    def _fail(self) -> LastwordError:
        """For good. Where the text so far is whole, some call has given another answer."""
        two_answers = UnreadableReply("The model gave two different answers.")
        self.failure = two_answers if self._whole else UpstreamTruncated()
        return self.failure

    def _add(self, text: str) -> list[Delta]:
        if not text:
            return []
        self._certain.append(text)
        self._length += len(text)
        return [AnswerDelta(text)]
