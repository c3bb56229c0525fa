"""The real server in a thread: uvicorn, the app as `main` builds it, a free port."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

import application
from agent.runner import Runner
from settings import Settings
from wire.server import PROTOCOLS


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Lastword:
    """A running server. `url` has no slash at its end."""

    def __init__(self, settings: Settings) -> None:
        self.app = application.build_app(settings)
        config = uvicorn.Config(
            self.app,
            port=0,
            log_level="warning",
            timeout_graceful_shutdown=5,
            lifespan="on",
            **PROTOCOLS,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, name="lastword")

    @property
    def url(self) -> str:
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def runner(self) -> Runner:
        runner: Runner = self.app.state.runner
        return runner

    @property
    def active(self) -> int:
        """Runs in progress."""
        return len(self.runner._threads)

    def wait_until_idle(self, timeout: float = 30.0) -> None:
        wait_for(lambda: self.active == 0, timeout)


@contextlib.contextmanager
def serving(data: Path, **settings: Any) -> Iterator[Lastword]:
    """A server with these settings and nothing from the environment."""
    settings = {"drain": 0} | settings
    lastword = Lastword(Settings(_env_file=None, data=data, **settings))  # type: ignore[call-arg]  pydantic-settings has it
    lastword.thread.start()
    try:
        wait_for(lambda: lastword.server.started or not lastword.thread.is_alive())
        assert lastword.server.started, "the server did not start"
        yield lastword
    finally:
        lastword.server.should_exit = True
        lastword.thread.join(20)
        assert not lastword.thread.is_alive(), "the server did not stop"


def wait_for(condition: Any, timeout: float = 30.0) -> None:
    """Wait until a condition holds, however long that takes up to `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.005)
