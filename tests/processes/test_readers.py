"""Readers that stop reading, and readers in great number: what they cost one server."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stream.redis import CONNECTIONS
from tests.processes.readers import (
    BEGUN,
    MIB,
    Crowd,
    connections,
    many_sockets,
    memory,
    not_reading,
    sockets,
)
from tests.processes.servers import Server, asking, events_of, reads, run_of, stalled, starting
from tests.redis_server import RedisServer, redis_server
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.helpers import answer_of

STALLED, FOLLOWERS = 200, 1_000
TEXT = 8 * MIB
PIECES = [f"{n:06}" + "x" * 4090 for n in range(TEXT // 4096)]
"""What the kernel takes for a client that does not read is less than the half of it."""
HELD = 512 * 1024
"""Bytes that such a client may hold in the process. It is: what uvicorn has not written yet, up
to its mark of 64 KiB and one piece of ours; the next piece, which waits in `send`; and its
entries of the log, which with Redis are its own, up to 256 KiB."""
LOG = 12
"""How often the text itself may be there: in the log, in what is remembered of the thread, in
the reply as LangChain has it, and on the way from one to the other."""


@pytest.fixture(params=["in memory", "on Redis"])
def log(request: pytest.FixtureRequest) -> Iterator[Any]:
    in_memory = nullcontext(SimpleNamespace(url=""))
    with in_memory if request.param == "in memory" else redis_server() as server:
        yield server


@pytest.fixture
def server(tmp_path: Path, log: RedisServer, upstream: Upstream) -> Iterator[Server]:
    with many_sockets(FOLLOWERS), starting(tmp_path, log, upstream) as start:
        (server,) = start(1)
        server.wait_until_ready()
        yield server


def test_readers_that_stop_reading_cost_nothing(server: Server, upstream: Upstream) -> None:
    idle = sockets(server)
    stalled(upstream, BEGUN, *PIECES, after=1)
    healthy, run_id = asking(server)
    half = STALLED // 2
    with closing(healthy._socket), not_reading(server, run_id, half, BEGUN) as early:
        reads(healthy, BEGUN)
        before = memory(server)
        upstream.release()
        wait_for(lambda: run_of(server, run_id)["state"] == "completed", 60)
        with not_reading(server, run_id, half) as late:
            assert answer_of(events_of(healthy)) == BEGUN + "".join(PIECES)
            assert sockets(server) - idle >= STALLED, "they are all still there"
            assert memory(server) - before < STALLED * HELD + LOG * TEXT
            for client in (early[-1], late[-1]):  # and who reads on has missed nothing
                assert answer_of(events_of(client)) == BEGUN + "".join(PIECES)


@pytest.mark.parametrize("log", ["on Redis"], indirect=True)
def test_a_thousand_followers_use_a_handful_of_connections(
    server: Server, log: RedisServer, upstream: Upstream
) -> None:
    stalled(upstream, BEGUN, "there ", "were ", "many.", after=1)
    asked, run_id = asking(server)
    with closing(asked._socket):
        bodies = asyncio.run(_follow(Crowd(server, run_id, FOLLOWERS), log, upstream.release))
        assert answer_of(events_of(asked)) == BEGUN + "there were many."
    assert bodies == [asked.body] * FOLLOWERS


async def _follow(crowd: Crowd, log: RedisServer, go_on: Callable[[], None]) -> list[bytes]:
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(crowd.read())
        await crowd.are_all_following.wait()
        assert 0 < connections(log.url) <= CONNECTIONS + 1, "the last is the one that blocks"
        go_on()
    assert connections(log.url) <= CONNECTIONS + 1
    return reading.result()
