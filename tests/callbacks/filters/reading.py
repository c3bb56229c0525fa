"""What the tests of all grammars share: ways to cut a text, and what came of reading it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from callbacks.filters.base import ActionRead, AnswerFilter, Chunk, Delta
from stream.events import AnswerDelta


@dataclass(frozen=True)
class Sample:
    """A valid reply. `text[start:end]` is where the answer, or the tool's input, stands."""

    text: str
    answer: str | None
    action: ActionRead | None
    start: int
    end: int


@dataclass(frozen=True)
class Reading:
    answer: str | None
    action: ActionRead | None


@st.composite
def cuts(draw, text: str) -> list[str]:
    """`text` in pieces: whole, character by character, or anyhow, with empty pieces between."""
    how = draw(st.sampled_from(["whole", "characters", "anyhow"]))
    if how == "whole":
        return [text]
    if how == "characters":
        return list(text)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=20)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def feed(grammar: AnswerFilter, pieces: Iterable[str]) -> list[list[Delta]]:
    return [grammar.feed(Chunk(piece)) for piece in pieces]


def read(grammar: AnswerFilter, pieces: Iterable[str]) -> Reading:
    """Read a whole reply, and check what every grammar promises of its deltas."""
    per_call = [*feed(grammar, pieces), grammar.close()]
    deltas = [delta for call in per_call for delta in call]
    texts = [delta.text for delta in deltas if isinstance(delta, AnswerDelta)]
    actions = [delta for delta in deltas if isinstance(delta, ActionRead)]
    assert all(sum(isinstance(d, AnswerDelta) for d in call) <= 1 for call in per_call)
    assert all(texts) or texts == [""], "an empty delta is an empty answer, nothing else"
    assert len(actions) <= 1
    assert not (texts and actions), "an answer and an action in one reply"
    return Reading("".join(texts) if texts else None, actions[0] if actions else None)


def certain(grammar: AnswerFilter, prefix: str) -> str:
    """What is out once `prefix` has been read."""
    deltas = [d for call in feed(grammar, [prefix]) for d in call]
    return "".join(d.text for d in deltas if isinstance(d, AnswerDelta))


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
