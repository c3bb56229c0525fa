"""Servers as they are deployed: each a process of its own, all on one Redis and one model."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import requests

from tests.commands import TIMEOUT, environment
from tests.processes.forked import Forked
from tests.redis_server import RedisServer
from tests.replies import Stall
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, Client, Sse, parse, spoken

OVER = b"\r\n0\r\n\r\n"
"""The end of a chunked body."""


class Server:
    """`python main.py`. `url` has no slash at its end."""

    arguments: tuple[str, ...] = ()

    def __init__(self, data: Path, redis: RedisServer, upstream: Upstream, **settings: Any) -> None:
        settings = {
            "port": 0,
            "drain": 0,
            "openai_base_url": upstream.url,
            "protocol": "json_chat",
        } | settings
        self.url = ""
        env = environment(data, **settings) | {"REDIS_URL": redis.url}
        self.process = Forked(self.arguments, cwd=data, env=env)

    def wait_until_up(self) -> None:
        self.url = self.process.stdout.readline().split()[-1].rstrip("/")

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.status("/ready") == 200, TIMEOUT)

    def status(self, path: str) -> int:
        return requests.get(self.url + path, timeout=TIMEOUT).status_code

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.wait(TIMEOUT)

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)


class Worker(Server):
    """`python main.py work`: it has no address."""

    arguments = ("work",)

    def wait_until_up(self) -> None:
        assert self.process.stdout.readline() == "Waiting for runs.\n"


Start: TypeAlias = Callable[..., list[Server]]


@contextmanager
def starting(
    data: Path, redis: RedisServer, upstream: Upstream
) -> Iterator[Callable[..., list[Server]]]:
    """Starts servers together: `start(2, lease=1)`, or `start(2, Worker)`."""
    servers: list[Server] = []

    def start(number: int, kind: type[Server] = Server, **settings: Any) -> list[Server]:
        new = [kind(data, redis, upstream, **settings) for _ in range(number)]
        servers.extend(new)
        for server in new:
            server.wait_until_up()
        return new

    with ExitStack() as stack:
        for_all = stack.enter_context
        try:
            yield start
        finally:
            upstream.release()
            for server in servers:
                for_all(server.process)
                server.process.kill()


def stalled(upstream: Upstream, *pieces: str, after: int) -> Stall:
    """The next answer, in pieces, held before one of them until it is released."""
    return upstream.script(Stall(tokens=spoken(*pieces), after=after + 1))


def asking(server: Server, **body: Any) -> tuple[Client, str]:
    """A client that asks and listens, and the id of its run."""
    client = Client(server, EVENTS, **body)  # type: ignore[arg-type]  all it wants is the address
    return client, client.header("x-run-id")


def following(server: Server, run_id: str, after: str = "0") -> Client:
    path = f"/runs/{run_id}/events?after={after}"
    return Client(server, EVENTS, method="GET", path=path)  # type: ignore[arg-type]  as above


def events_of(client: Client) -> list[Sse]:
    """All, up to the end of the run."""
    client.read_until(OVER)
    return parse(client.body)


def reads(client: Client, text: str) -> None:
    """Wait until this piece of the answer has arrived."""
    client.read_until(json.dumps(text)[1:].encode())  # it may have come with what was before


def run_of(server: Server, run_id: str) -> Any:
    return requests.get(f"{server.url}/runs/{run_id}", timeout=TIMEOUT).json()


def refuses(server: Server) -> bool:
    """Whether it takes no more runs, or nobody any more."""
    try:
        return server.status("/ready") == 503
    except requests.ConnectionError:
        return True
