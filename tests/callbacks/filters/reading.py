"""What the tests of all grammars share: ways to cut a text, and what came of reading it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hypothesis import strategies as st

from callbacks.filters.base import ActionRead, AnswerFilter, Chunk, Delta
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, ThoughtDelta
from tests.callbacks.filters.tape import Tape, chunks

Text: TypeAlias = str | Tape
"""A reply: plain text, or chunks of one character each where a provider says more."""


@dataclass(frozen=True)
class Sample:
    """A valid reply. `text[start:end]` is where the answer, or the tool's input, stands."""

    text: Text
    answer: str | None
    action: ActionRead | None
    start: int
    end: int


@dataclass(frozen=True)
class Reading:
    answer: str | None
    action: ActionRead | None
    thought: str = field(default="", compare=False)


@st.composite
def cuts(draw, text: Text) -> list[Text]:
    """`text` in pieces: whole, character by character, or anyhow, with empty pieces between."""
    how = draw(st.sampled_from(["whole", "characters", "anyhow"]))
    if how == "whole":
        return [text]
    if how == "characters":
        return list(text)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=20)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def feed(grammar: AnswerFilter, pieces: Iterable[Text | Chunk]) -> list[list[Delta]]:
    return [grammar.feed(chunk) for piece in pieces for chunk in chunks(piece)]


def read(grammar: AnswerFilter, pieces: Iterable[Text | Chunk]) -> Reading:
    """Read a whole reply, and check what every grammar promises of its deltas."""
    per_call = [*feed(grammar, pieces), grammar.close()]
    deltas = [delta for call in per_call for delta in call]
    texts = [delta.text for delta in deltas if isinstance(delta, AnswerDelta)]
    actions = [delta for delta in deltas if isinstance(delta, ActionRead)]
    assert all(sum(isinstance(d, AnswerDelta) for d in call) <= 1 for call in per_call)
    assert all(texts) or texts == [""], "an empty delta is an empty answer, nothing else"
    assert all(d.text for d in deltas if isinstance(d, ThoughtDelta))
    assert len(actions) <= 1
    heard = hear(deltas)
    assert not (heard.answer and actions), "an answer and an action in one reply"
    assert not heard.uncertain, "the end decides"
    return Reading(heard.answer, actions[0] if actions else None, heard.thought)


@dataclass
class Heard:
    """What a listener makes of some deltas."""

    answer: str | None = None
    uncertain: int = 0
    """How many characters of the answer, the last ones, may be retracted."""
    thought: str = ""


def hear(deltas: Iterable[Delta]) -> Heard:
    heard = Heard()
    for delta in deltas:
        match delta:
            case AnswerDelta(text=text, certain=certain):
                assert not (certain and heard.uncertain), "certain text after uncertain text"
                heard.answer = (heard.answer or "") + text
                heard.uncertain += 0 if certain else len(text)
            case AnswerConfirmed():
                assert heard.uncertain, "nothing to confirm"
                heard.uncertain = 0
            case AnswerRetracted():
                assert heard.uncertain, "nothing to retract"
                heard.answer = heard.answer[: -heard.uncertain] or None
                heard.uncertain = 0
            case ThoughtDelta(text=text):
                heard.thought += text
    return heard


def hear_all(grammar: AnswerFilter, pieces: Iterable[Text | Chunk]) -> Heard:
    """What is out once these have been read, and more may come."""
    return hear(delta for call in feed(grammar, pieces) for delta in call)


def certain(grammar: AnswerFilter, prefix: Text) -> str:
    """The answer as far as it is out once `prefix` has been read."""
    return hear_all(grammar, [prefix]).answer or ""


def common_prefix(texts: Iterable[str]) -> str:
    first, last = min(texts := list(texts)), max(texts)
    same = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(same, min(len(first), len(last)))]


def encodable(value: Any) -> bool:
    """No lone surrogate anywhere in it."""
    items = [value]
    while items:
        item = items.pop()
        if isinstance(item, str):
            if any("\ud800" <= char <= "\udfff" for char in item):
                return False
        elif isinstance(item, dict):
            items += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            items += item
    return True
