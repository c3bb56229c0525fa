"""Whole runs of an agent as models write them: a tool call or two, or none, then the answer.

Each answer is written in several styles of each format. What the answer is, and from when
on it is certain, is known from the writing; nothing is parsed for it.
"""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench.fidelity import native, written
from bench.fidelity.answers import ANSWERS
from bench.fidelity.certainty import Certain, never

SEED = 7
_CALLS = [0, 1, 1, 2]  # how many come before the answer


class Reply(NamedTuple):
    """One reply of the model: its text, then native calls as (name, arguments)."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


class Transcript(NamedTuple):
    """A run: the last reply is the answer, of which `certain` is how much by when."""

    style: str
    replies: tuple[Reply, ...]
    answer: str
    certain: Certain


Write = Callable[[random.Random, str], Iterator[Transcript]]


def transcripts(name: str, *, every: int = 1) -> list[Transcript]:
    """All of a format, or `every` so many of them; always the same."""
    chance = random.Random(f"{SEED} {name}")
    runs = [run for answer in ANSWERS for run in FORMATS[name](chance, answer)]
    return runs[::every]


def _written(name: str) -> Write:
    write, templates = written.STYLES[name]

    def runs(chance: random.Random, answer: str) -> Iterator[Transcript]:
        for template in chance.sample(templates, 2):
            reply = write(chance, template, answer)
            actions = chance.sample(written.ACTIONS[name], chance.choice(_CALLS))
            replies = [Reply(text) for text in [*actions, reply.text]]
            yield Transcript(template, tuple(replies), reply.answer, reply.certain)

    return runs


def _tool(chance: random.Random, answer: str) -> Iterator[Transcript]:
    for style in chance.sample(native.ANSWER_CALLS, 2):
        text, args, certain = native.answer_call(chance, style, answer)
        last = Reply(text, (("final_answer", args),))
        yield Transcript(style, (*_actions(chance), last), answer, certain)


def _message(chance: random.Random, answer: str) -> Iterator[Transcript]:
    for _ in range(2):
        yield Transcript("", (*_actions(chance), Reply(answer)), answer, never(answer))


def _actions(chance: random.Random) -> list[Reply]:
    """As models do it: mostly without a word, sometimes with one."""
    calls = chance.sample(native.CALLS, chance.choice(_CALLS))
    words = ["" if chance.random() < 0.75 else chance.choice(native.PREAMBLES) for _ in calls]
    return [Reply(text, (call,)) for text, call in zip(words, calls, strict=True)]


FORMATS: dict[str, Write] = {
    **{name: _written(name) for name in written.STYLES},
    "tool": _tool,
    "message": _message,
}
