"""The speed of a token: what it costs the server, and how much later it leaves."""

import argparse
import asyncio
import contextlib
import functools
import gc
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from typing import Self

import uvloop

from bench.load import load
from bench.report import Column, Row, Table
from bench.servers import LOAD_CORE, MODEL, SERVER_CORE, SERVERS, Running, busy, free_port, running
from bench.stream import Result
from bench.upstream import Model, Upstream

DIRECT = "(no server)"
STREAMS = 150  # paced, at once
ROUNDS, PACED_ROUNDS = 3, 2  # of paced ones fewer, but as long as an answer is
COST = [
    Column("us/token", "{:.1f}"),
    Column("to relay", "{:.2f}"),
    Column("to astream", "{:.3f}"),
    Column("complete", "{:.1%}"),
    Column("failed", "{:.0f}"),
]
DELAYS = [Column("p50 ms", "{:.2f}"), Column("p99 ms", "{:.1f}"), Column("max ms", "{:.0f}")]
OTHERS = Column("others", "{:.0%}")  # of the server's core, taken by strangers
OF_SERVERS = ("us/token", "paced us/token", "others")
FIRST = [Column("p50 ms", "{:.2f}"), Column("p99 ms", "{:.1f}")]
RATIOS = {
    "to relay": ("us/token", "relay"),
    "to astream": ("us/token", "fastapi-astream"),
}
"""Which column of what is compared with whose."""
ASKED = [Column("request p50 ms", "{:.1f}"), Column("request p99 ms", "{:.1f}")]


class Bench:
    """The model, the client and the servers. Model and client share a core, never a server's."""

    def __init__(self, only: list[str]) -> None:
        self.model = Model()
        self.only = only
        self.run = asyncio.Runner(loop_factory=uvloop.new_event_loop).run
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stack.close()

    @functools.cached_property
    def targets(self) -> dict[str, Running]:
        """The servers, warm; started when the first mode wants them, for all modes."""
        os.sched_setaffinity(0, {LOAD_CORE})
        gc.disable()  # a pause of the client would look like one of the server
        direct = Running(MODEL, free_port(), os.getpid())
        self.run(self._listen(direct.port))
        url = f"http://127.0.0.1:{direct.port}/v1"
        targets = self.start(url) | {DIRECT: direct}
        for target in targets.values():
            self.model.speak(200)
            self.run(load(target, self.model, 8))
        return targets

    def start(self, url: str) -> dict[str, Running]:
        """All that are compared, of the model at the URL."""
        wanted = {name: SERVERS[name] for name in SERVERS if not self.only or name in self.only}
        enter = self.stack.enter_context
        return {name: enter(running(server, url)) for name, server in wanted.items()}

    async def _listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Upstream(self.model), "127.0.0.1", port, backlog=2048)

    def compare(
        self,
        rounds: int,
        measure: Callable[[Running], Row],
        ratios: Mapping[str, tuple[str, str]] = RATIOS,
    ) -> dict[str, Row]:
        """Medians; the rounds of all servers are interleaved, so that noise is shared.

        Every other round goes backwards, so that nobody always comes after the same one.
        """
        rows: dict[str, list[Row]] = {}
        for number in range(rounds):
            for name, target in [*self.targets.items()][:: -1 if number % 2 else 1]:
                row = measure(target)
                print(f"{name}: {row}", file=sys.stderr)
                rows.setdefault(name, []).append(row)
        return _with_ratios({name: _median(measured) for name, measured in rows.items()}, ratios)

    def cost(
        self, target: Running, streams: int, tokens: int, ramp: float = 0
    ) -> tuple[Row, Result]:
        cpu, others = target.cpu(), busy(SERVER_CORE)
        result = self.run(load(target, self.model, streams, ramp=ramp))
        self.run(asyncio.sleep(0.3))  # what a server does after its last byte is part of the cost
        used, all_used = target.cpu() - cpu, busy(SERVER_CORE) - others
        return {
            "us/token": 1e6 * used / max(result.tokens, 1),
            "complete": result.tokens / (streams * tokens),
            "tokens/s": result.tokens / result.seconds,
            "failed": result.failed,
            "others": max(all_used - used, 0) / (result.seconds + 0.3),
        }, result


def saturated(bench: Bench, options: argparse.Namespace) -> Table:
    """As fast as it goes: the model runs ahead by whatever the sockets hold."""
    return _saturated(bench, options, 0, "as fast as it goes")


def bounded(bench: Bench, options: argparse.Namespace) -> Table:
    """The same with a bound on the lead, so that all servers can merge equally much."""
    lead = f"at most {options.window} tokens of a stream between model and client"
    return _saturated(bench, options, options.window, lead)


def _saturated(bench: Bench, options: argparse.Namespace, window: int, title: str) -> Table:
    rounds = options.rounds or ROUNDS

    def measure(target: Running) -> Row:
        bench.model.speak(options.tokens, window=window)
        return bench.cost(target, options.clients, options.tokens)[0]

    title = f"{options.clients} clients, {options.tokens:,} tokens each, {title}; "
    title += f"medians of {rounds} rounds"
    columns = [*COST, Column("tokens/s", "{:,.0f}"), OTHERS]
    return Table(title, columns, bench.compare(rounds, measure))


def paced(bench: Bench, options: argparse.Namespace) -> Table:
    """Many streams at the speed of a real model: the cost of a token, and its delay."""
    streams, tokens = options.streams or STREAMS, int(options.rate * options.seconds)

    def measure(target: Running) -> Row:
        bench.model.speak(tokens, rate=options.rate)
        row, result = bench.cost(target, streams, tokens, options.ramp)
        return row | quantiles(result.delays, DELAYS)

    rounds = options.rounds or PACED_ROUNDS
    title = f"{pace(streams, options)}; medians of {rounds} rounds"
    return Table(title, [*COST, *DELAYS, OTHERS], bench.compare(rounds, measure))


def pace(streams: int, options: argparse.Namespace) -> str:
    pace = f"{streams} streams of {options.rate:g} tokens/s for {options.seconds:g} s"
    return f"{pace}, started within {options.ramp:g} s"


def first(bench: Bench, options: argparse.Namespace) -> Table:
    """One request after the other: how soon the first answer token is out."""

    def measure(target: Running) -> Row:
        bench.model.speak(5, rate=1000)
        results = [bench.run(load(target, bench.model, 1)) for _ in range(options.requests)]
        delays = [delay for result in results for delay in result.first_delays]
        asked = [delay for result in results for delay in result.first]
        return quantiles(delays, FIRST) | quantiles(asked, ASKED)

    title = f"{options.requests} requests one after the other: the first answer token, after the "
    title += "model made it, and after the request was sent"
    return Table(title, [*FIRST, *ASKED], bench.compare(options.rounds or ROUNDS, measure))


def quantiles(times: list[int], columns: list[Column]) -> Row:
    """The median, the 99th percentile and the maximum in milliseconds, as far as asked for."""
    ordered = sorted(times) or [0]
    at = [len(ordered) // 2, int(len(ordered) * 0.99), len(ordered) - 1]
    return {column.name: ordered[i] / 1000 for column, i in zip(columns, at, strict=False)}


def _median(rows: list[Row]) -> Row:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def _with_ratios(rows: dict[str, Row], ratios: Mapping[str, tuple[str, str]]) -> dict[str, Row]:
    for mine in OF_SERVERS:
        rows[DIRECT].pop(mine, None)  # they are the bench's own
    for column, (what, other) in ratios.items():
        for row in rows.values():
            if what in row and rows.get(other, {}).get(what):
                row[column] = row[what] / rows[other][what]
    return rows
