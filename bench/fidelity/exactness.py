"""What a server shows of a run, against the answer: exact, leaked, lost, late."""

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from bench.fidelity.base import PRINTED, RUN, Server
from bench.fidelity.tokens import Token
from bench.fidelity.transcripts import Transcript


@dataclass
class Tally:
    """Counts of runs; `late` is tokens, summed over the `timed` characters of answers."""

    runs: int = 0
    exact: int = 0
    forgiven: int = 0
    leaked: int = 0
    lost: int = 0
    late: int = 0
    timed: int = 0

    def __iadd__(self, other: "Tally") -> Self:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


class Shown(NamedTuple):
    """All that was shown, and how much of it after each token of the last reply and its end."""

    text: str
    sizes: list[int]


async def show(server: Server, replies: Sequence[Sequence[Token]]) -> Shown:
    """Let the server hear a run."""
    text = ""
    sizes: list[int] = []
    is_async = asyncio.iscoroutinefunction(server.hear)
    with contextlib.redirect_stdout(PRINTED):
        for tokens in replies:
            sizes = []
            await server.begin()
            for token in tokens:
                heard = server.hear(token.text, chunk=token.chunk, run_id=RUN)
                if is_async:
                    await heard
                text += server.take()
                sizes.append(len(text))
            await server.end()
            text += server.take()
        await server.finish()
        text += server.take()
    return Shown(text, [*sizes, len(text)])


def judge(shown: Shown, run: Transcript, last: Sequence[Token]) -> Tally:
    text, answer = shown.text, run.answer
    forgiven = text.strip() == answer.strip()
    tally = Tally(
        runs=1,
        exact=text == answer,
        forgiven=forgiven,
        leaked=not _within(text, answer),
        lost=not _within(answer, text),
    )
    if forgiven:
        tally.timed = len(answer.strip())
        tally.late = _late(shown, run, [token.read for token in last])
    return tally


def _within(part: str, whole: str) -> bool:
    """Whether nothing of `part` is missing in `whole`: the mildest way to look at it."""
    rest = iter(whole)
    return all(char in rest for char in part)


def _late(shown: Shown, run: Transcript, reads: list[int]) -> int:
    """The end of the reply counts as a token of its own. Too early is not late."""
    over = len(run.certain) - 1
    certain = [run.certain[min(read, over)] for read in reads] + [len(run.answer)]
    blank_shown = len(shown.text) - len(shown.text.lstrip())
    blank_meant = len(run.answer) - len(run.answer.lstrip())
    late = 0
    for place in range(len(run.answer.strip())):
        was_certain = bisect_right(certain, place + blank_meant)
        was_shown = bisect_right(shown.sizes, place + blank_shown)
        late += max(0, was_shown - was_certain)
    return late
