"""What a wire costs: one Lastword, asked the same on all of them."""

import argparse
from collections.abc import Callable
from dataclasses import replace

from bench.report import Column, Row, Table
from bench.servers import LASTWORD, Running, Server, free_port, running
from bench.speed import DELAYS, OTHERS, ROUNDS, Bench, pace, quantiles

TEXT = "plain text"
STREAMS = 50  # paced, at once: no more than a core has time for on every wire
SAID = '"messages": [{"id": "1", "role": "user", '
MAIN = Server("-m main", env=LASTWORD)  # the server that a README starts, with its own protocols
WIRES = {
    TEXT: replace(MAIN, accept="text/plain"),
    "SSE": MAIN,
    "OpenAI": replace(
        MAIN,
        path="/v1/chat/completions",
        body='{"stream": true, ' + SAID + '"content": "%(question)s"}]}',
    ),
    "AI SDK": replace(
        MAIN,
        path="/api/chat",
        body='{"id": "bench-%(number)d", '
        + SAID
        + '"parts": [{"type": "text", "text": "%(question)s"}]}]}',
    ),
    "AG-UI": replace(
        MAIN,
        path="/ag-ui",
        body='{"threadId": "bench-%(number)d", "runId": "1", '
        + SAID
        + '"content": "%(question)s"}]}',
    ),
    "WebSocket": replace(
        MAIN, path="/ws", body='{"type": "ask", "text": "%(question)s"}', speaks="websocket"
    ),
    "gRPC": replace(MAIN, path="/lastword.v1.Chat/Send", body="%(question)s", speaks="grpc"),
}
COLUMNS = [
    Column("us/token", "{:.1f}"),
    Column("to text", "{:.2f}"),
    Column("paced us/token", "{:.1f}"),
    Column("paced to text", "{:.2f}"),
    *DELAYS[:2],
    Column("p50 to text", "{:.2f}"),
    Column("p99 to text", "{:.2f}"),
    Column("complete", "{:.1%}"),
    Column("failed", "{:.0f}"),
    OTHERS,
]
RATIOS = {
    "to text": ("us/token", TEXT),
    "paced to text": ("paced us/token", TEXT),
    "p50 to text": ("p50 ms", TEXT),
    "p99 to text": ("p99 ms", TEXT),
}


class Wires(Bench):
    """One process for all."""

    def start(self, url: str) -> dict[str, Running]:
        ports = {"grpc": free_port()}
        env = {**LASTWORD, "LASTWORD_GRPC_PORT": str(ports["grpc"])}
        server = self.stack.enter_context(running(replace(MAIN, env=env), url))
        return {
            name: replace(server, server=wire, port=ports.get(wire.speaks, server.port))
            for name, wire in WIRES.items()
            if not self.only or name in self.only
        }


def wires(bench: Bench, options: argparse.Namespace) -> Table:
    """Each round asks on a wire as fast as it goes, then at the speed of a real model."""
    streams, rounds = options.streams or STREAMS, options.rounds or ROUNDS
    title = f"{options.clients} clients, {options.tokens:,} tokens each, as fast as it goes; then "
    title += f"{pace(streams, options)}; medians of {rounds} rounds"
    rows = bench.compare(rounds, _measure(bench, options, streams), RATIOS)
    return Table(title, COLUMNS, rows, of="wire")


def _measure(bench: Bench, options: argparse.Namespace, streams: int) -> Callable[[Running], Row]:
    slow = int(options.rate * options.seconds)

    def measure(target: Running) -> Row:
        bench.model.speak(options.tokens)
        row, _ = bench.cost(target, options.clients, options.tokens)
        bench.model.speak(slow, rate=options.rate)
        paced, result = bench.cost(target, streams, slow, options.ramp)
        return {
            "us/token": row["us/token"],
            "paced us/token": paced["us/token"],
            **quantiles(result.delays, DELAYS),
            "complete": min(row["complete"], paced["complete"]),
            "failed": row["failed"] + paced["failed"],
            "others": max(row["others"], paced["others"]),
        }

    return measure
