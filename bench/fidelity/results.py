"""Every server on every run, cut in every way; and what came of it, added up."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.fidelity.cost import cost
from bench.fidelity.cuts import VOCABULARIES, Cut, cuts
from bench.fidelity.exactness import Tally, judge, show
from bench.fidelity.servers import OWN, SERVERS
from bench.fidelity.tokens import tokens_of
from bench.fidelity.transcripts import FORMATS, Transcript, transcripts

TIMED = "o200k_base"
"""The vocabulary with which the cost is measured."""
MINE = "Lastword"


@dataclass
class Results:
    """Tallies by server, format and cut; nanoseconds of a token by server and format."""

    runs: dict[str, int]
    cuts: list[str]
    tallies: dict[tuple[str, str, str], Tally] = field(default_factory=dict)
    cost: dict[tuple[str, str], float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def tally(self, server: str, formats: Iterable[str], ways: Iterable[str]) -> Tally:
        total, ways = Tally(), list(ways)
        for name in formats:
            for way in ways:
                total += self.tallies[server, name, way]
        return total

    @property
    def vocabularies(self) -> list[str]:
        return [name for name in self.cuts if name in VOCABULARIES]


def own(server: str) -> list[str]:
    """The formats that it is meant for."""
    return OWN.get(server, list(FORMATS))


def compare(*, every: int = 1, rounds: int = 7) -> Results:
    """Run it all, or only `every` so many of the runs."""
    logging.getLogger("langchain_classic").setLevel(logging.ERROR)  # it warns of lists
    return asyncio.run(_compare(every, rounds))


async def _compare(every: int, rounds: int) -> Results:
    ways = cuts()
    results = Results({}, list(ways))
    for name in FORMATS:
        runs = transcripts(name, every=every)
        results.runs[name] = len(runs)
        for way, cut in ways.items():
            for server in SERVERS:
                results.tallies[server, name, way] = Tally()
            for run in runs:
                await _run(results, name, way, cut, run)
        replies = [tokens_of(run.replies[-1], ways[TIMED]) for run in runs]
        for server, spent in (await cost(name, replies, ways[TIMED], rounds)).items():
            results.cost[server, name] = spent
    return results


async def _run(results: Results, name: str, way: str, cut: Cut, run: Transcript) -> None:
    replies = [tokens_of(reply, cut) for reply in run.replies]
    for server, make in SERVERS.items():
        shown = await show(make(name, cut), replies)
        tally = judge(shown, run, replies[-1])
        results.tallies[server, name, way] += tally
        if server == MINE and not (tally.exact and not tally.late):
            results.faults.append(f"{name}, {way}: {run.replies} was shown as {shown.text!r}")
