"""What readers cost one server: those who stopped reading, and those in great number."""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.report import Column, Row, Table
from tests.processes.readers import (
    BEGUN,
    MIB,
    Crowd,
    connections,
    kernel,
    many_sockets,
    memory,
    not_reading,
    sockets,
)
from tests.processes.servers import Server, asking, events_of, reads, run_of, stalled, starting
from tests.redis_server import redis_server
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.helpers import answer_of, parse

STALLED, FOLLOWERS = 200, 1_000
MEGABYTES = 8
COLUMNS = [
    *(Column(name, "{:,.0f}") for name in ("readers", "there", "lost")),
    *(Column(name, "{:.1f}") for name in ("text MB", "process MB", "kernel MB")),
    Column("Redis connections", "{:.0f}"),
]


def readers(options: argparse.Namespace) -> Table:
    """`lost`: of those who read, or read on, how many did not get all of it."""
    part = 10 if options.quick else 1
    rows = {
        "none stalled, memory log": _stalled(0, on_redis=False),
        "stalled, memory log": _stalled(STALLED // part, on_redis=False),
        "none stalled, Redis log": _stalled(0, on_redis=True),
        "stalled, Redis log": _stalled(STALLED // part, on_redis=True),
        "following, memory log": _following(FOLLOWERS // part, on_redis=False),
        "following, Redis log": _following(FOLLOWERS // part, on_redis=True),
    }
    title = "Readers of one run that take nothing while it is said, or take all; growth of memory"
    return Table(title, COLUMNS, rows)


@contextmanager
def _server(number: int, on_redis: bool) -> Iterator[tuple[Server, Upstream, Any]]:
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(many_sockets(number))
        data, model = Path(enter(tempfile.TemporaryDirectory())), enter(Upstream())
        redis = enter(redis_server()) if on_redis else SimpleNamespace(url="")
        (server,) = enter(starting(data, redis, model))(1)
        server.wait_until_ready()
        yield server, model, redis


def _stalled(number: int, *, on_redis: bool) -> Row:
    """The half of them from the beginning, the others when all has been said; and one reads."""
    pieces = [f"{n:06}" + "x" * 4090 for n in range(MEGABYTES * 256)]
    text = BEGUN + "".join(pieces)
    with _server(number, on_redis) as (server, model, redis):
        idle = sockets(server)
        stalled(model, BEGUN, *pieces, after=1)
        healthy, run_id = asking(server)
        with closing(healthy._socket), not_reading(server, run_id, number // 2, BEGUN) as early:
            reads(healthy, BEGUN)
            held, buffers = memory(server), kernel()
            model.release()
            wait_for(lambda: run_of(server, run_id)["state"] == "completed", 60)
            with not_reading(server, run_id, number // 2) as late:
                row = _costs(server, redis, held, buffers)
                there = sockets(server) - idle
                reading = [healthy, *early[-1:], *late[-1:]]
                got = [answer_of(events_of(each)) for each in reading]
    return row | {
        "readers": number,
        "there": min(there, number),
        "lost": sum(each != text for each in got),
        "text MB": len(text) / MIB,
    }


def _following(number: int, *, on_redis: bool) -> Row:
    words = [f"word {n} " for n in range(500)]
    with _server(number, on_redis) as (server, model, redis):
        stalled(model, BEGUN, *words, after=1)
        asked, run_id = asking(server)
        with closing(asked._socket):
            held, buffers = memory(server), kernel()
            crowd = Crowd(server, run_id, number)
            bodies, row = asyncio.run(
                _follow(crowd, model, lambda: _costs(server, redis, held, buffers))
            )
    text = BEGUN + "".join(words)
    return row | {
        "readers": number,
        "there": len(bodies),
        "lost": sum(answer_of(parse(body)) != text for body in bodies),
        "text MB": len(text) / MIB,
    }


async def _follow(crowd: Crowd, model: Upstream, costs: Any) -> tuple[list[bytes], Row]:
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(crowd.read())
        await crowd.are_all_following.wait()
        row = costs()
        model.release()
    return reading.result(), row


def _costs(server: Server, redis: Any, held: int, buffers: int) -> Row:
    row: Row = {
        "process MB": (memory(server) - held) / MIB,
        "kernel MB": (kernel() - buffers) / MIB,
    }
    return row | ({"Redis connections": connections(redis.url)} if redis.url else {})
