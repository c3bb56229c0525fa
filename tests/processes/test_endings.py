"""A server that is told to stop is gone in time, whatever its runs are doing."""

import signal
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes.servers import (
    TIMEOUT,
    Server,
    Start,
    Worker,
    asking,
    events_of,
    reads,
    refuses,
    run_of,
    stalled,
)
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.helpers import ends_of

NEVER = 600
"""Seconds. Nobody waits for so long."""
BUSY = f"""
import pathlib, time
from langchain_core.runnables import RunnableLambda

def think(_):
    pathlib.Path("thinking").touch()
    time.sleep({NEVER})

agent = RunnableLambda(think)
"""


def test_who_is_told_twice_ends_at_once(start: Start, upstream: Upstream) -> None:
    (server,) = start(1, drain=NEVER)
    server.wait_until_ready()
    stalled(upstream, "One ", "two ", "three.", after=2)
    client, _ = asking(server)
    with closing(client._socket):
        reads(client, "two ")
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: refuses(server), TIMEOUT)
        server.process.send_signal(signal.SIGTERM)
        (end,) = ends_of(events_of(client))
        assert end.data["code"] == "server_shutdown"
    assert server.process.wait(TIMEOUT) == 0


def test_a_worker_too(start: Start, upstream: Upstream) -> None:
    (server,) = start(1, workers="external")
    (worker,) = start(1, Worker, drain=NEVER)
    server.wait_until_ready()
    stalled(upstream, "One ", "two ", "three.", after=2)
    client, _ = asking(server)
    with closing(client._socket):
        reads(client, "two ")
        worker.process.send_signal(signal.SIGTERM)
        worker.process.send_signal(signal.SIGINT)  # two of a kind might arrive as one
        assert worker.process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("kind", [Server, Worker])
def test_code_that_cannot_be_stopped_is_left_behind(
    kind: type[Server], start: Start, tmp_path: Path
) -> None:
    (tmp_path / "busy.py").write_text(BUSY)
    (server,) = start(1, agent="busy:agent", workers="internal" if kind is Server else "external")
    server.wait_until_ready()
    (busy,) = [server] if kind is Server else start(1, Worker, agent="busy:agent")
    client, _ = asking(server)
    with closing(client._socket):
        wait_for((tmp_path / "thinking").exists, TIMEOUT)
        busy.process.send_signal(signal.SIGTERM)
        assert busy.process.wait(TIMEOUT) == 0


def test_a_run_that_nobody_follows_may_end_too(start: Start, upstream: Upstream) -> None:
    one, other = start(2, drain=NEVER)
    one.wait_until_ready()
    stalled(upstream, "One ", "two ", "three.", after=2)
    client, run_id = asking(one, on_disconnect="continue")
    reads(client, "two ")
    client._socket.close()
    one.process.send_signal(signal.SIGTERM)
    wait_for(lambda: refuses(one), TIMEOUT)
    upstream.release()
    assert one.process.wait(TIMEOUT) == 0
    run = run_of(other, run_id)
    assert (run["state"], run["answer"]) == ("completed", "One two three.")
