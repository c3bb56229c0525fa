"""What every grammar is: text in, deltas out, by two verbs.

A grammar reads one reply of a model, cut into chunks anywhere, and says which
characters are the final answer as soon as nothing that may still come could
make them something else. It is pure: no IO, no clock, no asyncio, no LangChain.
The same object tells the handler what to stream and the agent what to do next,
so nothing can be streamed as an answer and then executed as a tool call.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, ThoughtDelta
from stream.value import value


class CallDelta(NamedTuple):
    """A piece of a native tool call: the name comes once, the arguments as cuts of JSON text.

    Calls are told apart by their index `at`, and by `id` where a provider uses an
    index again. Without an index the piece is a whole call.
    """

    at: int | str | None
    name: str = ""
    args: str = ""
    id: str = ""


@value(frozen=True, slots=True)
class Chunk:
    """What one token of a model carries, as its provider labels it.

    `thought` is text that the provider itself marks as reasoning. `phase` is what
    it says of `text` from here on, if anything: `final_answer` or `commentary`.
    """

    text: str = ""
    thought: str = ""
    calls: tuple[CallDelta, ...] = ()
    phase: str | None = None

    def __bool__(self) -> bool:
        """Whether it carries anything."""
        return bool(self.text or self.thought or self.calls or self.phase)


@value(frozen=True, slots=True)
class ActionRead:
    """A tool call that the model wrote as text.

    `input` is the decoded string, or the parsed JSON value where it was no string.
    """

    name: str
    input: Any


Delta: TypeAlias = AnswerDelta | ThoughtDelta | AnswerConfirmed | AnswerRetracted | ActionRead


class AnswerFilter(Protocol):
    """One reply of a model, being read."""

    def feed(self, chunk: Chunk) -> list[Delta]:
        """Read on. Returns what became certain by this chunk, often nothing."""

    def close(self) -> list[Delta]:
        """The reply is over. Returns what only the end could decide."""


@runtime_checkable
class TextFilter(AnswerFilter, Protocol):
    """One reply in a format that is written out as text, being read."""

    @property
    def attempted(self) -> bool:
        """Whether a reply without answer and action tried the format all the same.

        Ask when it is closed. What is left of such a reply is no plain text to show: a
        thought, half an object, an action that lacks its input.
        """


class Reply(NamedTuple):
    """A whole reply as the agent understands it: an answer, an action, or neither."""

    answer: str | None
    action: ActionRead | None


def read_reply(grammar: AnswerFilter, text: str) -> Reply:
    """Read a whole reply with the grammar that streamed it."""
    return understand([*grammar.feed(Chunk(text)), *grammar.close()])


def understand(deltas: Iterable[Delta]) -> Reply:
    """What a reply's deltas come to. An empty answer is still an answer."""
    answer: str | None = None
    known: str | None = None  # as much of it as is certain
    action: ActionRead | None = None
    for delta in deltas:
        match delta:
            case AnswerDelta(text=text, certain=certain):
                answer = (answer or "") + text
                known = answer if certain else known
            case AnswerConfirmed():
                known = answer
            case AnswerRetracted():
                answer = known
            case ActionRead():
                action = action or delta
            case _:
                pass
    return Reply(answer, None if answer is not None else action)
