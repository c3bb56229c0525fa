"""The server is killed in mid-answer and started again, and the page goes on by itself."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.servers import Server, Worker, stalled, starting
from tests.redis_server import redis_server
from tests.serving import free_port
from tests.upstream import Upstream
from tests.web.page import Chat


@pytest.fixture
def start(tmp_path: Path, upstream: Upstream) -> Iterator[Callable[..., list[Server]]]:
    with redis_server() as redis, starting(tmp_path, redis, upstream) as start:
        yield start


@pytest.mark.parametrize("worker", [True, False], ids=["with a worker", "alone"])
def test_killed_and_started_again(
    worker: bool,
    start: Callable[..., list[Server]],
    upstream: Upstream,
    somebody: Callable[..., Chat],
):
    settings: dict[str, Any] = {"port": free_port(), "lease": 1}
    if worker:
        start(1, Worker)
        settings["workers"] = "external"
    (server,) = start(1, **settings)
    server.wait_until_ready()
    held = stalled(upstream, "This much, ", "and the rest.", after=1)
    chat = somebody(server)
    chat.ask("Talk")
    chat.wait_for_text(".text", "This much,")
    server.kill()
    chat.wait_for_text(".note", "Connection lost. It goes on by itself.")
    assert chat.answer == "This much,"
    (server,) = start(1, **settings)
    server.wait_until_ready()
    if worker:
        held.gate.release()  # type: ignore[union-attr]  a Stall always has one
    else:
        upstream.release()
    chat.evaluate("document.querySelector('.note.lost button')?.click()")  # or it came by itself
    chat.wait_until_idle()
    if worker:
        assert chat.answer == "This much, and the rest."
        return
    assert chat.answer == "This much,"
    assert chat.text(".note").startswith("The server that answered is gone.")
    chat.click(".note button", "Try again")
    chat.wait_for_text(".text", "Hello there.")
