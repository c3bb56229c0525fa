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
from callbacks.filters.plain import PlainText
from stream.errors import LastwordError, UnreadableReply, UpstreamTruncated
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted


@dataclass(slots=True, eq=False)
class Speaker:
    """One model call that speaks to the user, and the grammar that reads it."""

    grammar: AnswerFilter
    told: int = 0
    """How many characters of the certain answer it has told, new ones or not."""
    tried: bool = False
    """Whether it has said uncertain text."""
    reply: str | None = None
    """Its whole message, when it is over."""


class Answer:
    """Turns what the grammars of a run's calls say into what its readers are told."""

    def __init__(self) -> None:
        self.failure: LastwordError | None = None
        self._certain: list[str] = []
        self._length = 0
        self._whole = True  # some call told all of the certain text and ended well
        self._uncertain: list[str] = []
        self._teller: Speaker | None = None  # whose words the last ones are

    @property
    def text(self) -> str:
        """What is certain so far."""
        if len(self._certain) > 1:
            self._certain[:] = ["".join(self._certain)]
        return self._certain[0] if self._certain else ""

    def hear(self, speaker: Speaker, deltas: list[Delta]) -> list[Delta]:
        """A call said something. Raises if it cannot be a part of the answer."""
        self.check()
        if speaker is self._teller and len(deltas) == 1 and self._goes_on(speaker, deltas[0]):
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
        if speaker.told:
            if speaker.told < self._length:
                raise self._fail()
            self._whole = True
        return heard

    def take_back(self, speaker: Speaker) -> list[Delta]:
        """A call called a tool, or failed."""
        speaker.tried = False
        return self._retract() if speaker is self._teller else []

    def finish(self, returned: str | None) -> list[Delta]:
        """The agent returned this text; None if that is not known. Raises if it cannot stand."""
        self.check()
        answer = None if returned is None else _encodable(returned)
        if self._uncertain and answer in (None, "".join(self._uncertain), self._reply):
            return self.keep()
        deltas = self._retract()
        if answer is not None and answer != self._reply and answer.startswith(self.text):
            return [*deltas, *self._add(answer[self._length :])]
        if not self._whole:
            raise self._fail()
        return deltas

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

    @property
    def _reply(self) -> str | None:
        """The message that the last words are from, which a format may have around them."""
        return self._teller.reply if self._teller else None

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
        self._teller, self._whole = speaker, False
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
        if speaker is self._teller:
            self._uncertain.append(delta.text)
            return [delta]
        if speaker.tried:  # another call has the floor by now
            return []
        deltas = self._retract()
        self._teller, speaker.tried = speaker, True
        self._uncertain.append(delta.text)
        return [*deltas, delta]

    def _retract(self) -> list[Delta]:
        if not self._uncertain:
            return []
        self._uncertain.clear()
        self._teller = None
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


def _encodable(text: str) -> str:
    """As the grammars emit it: half a surrogate pair is no text."""
    plain = PlainText()
    return plain.feed(text) + plain.close()
