"""A real Redis: started, killed, frozen and started again where a test says so."""

import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.serving import wait_for


class RedisServer:
    """Keeps its data in a folder, so that it has it again after a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        if not shutil.which("redis-server"):
            assert not os.environ.get("CI"), "redis-server is missing"
            pytest.skip("needs redis-server")
        command = ["redis-server", "--port", str(self.port), "--dir", str(self._folder)]
        keep = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self._process = subprocess.Popen(
            [*command, *keep, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self.answers)

    def answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def has(self, key: str) -> bool:
        with redis.Redis.from_url(self.url) as client:
            return bool(client.exists(key))

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self._process
        self._process.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def lose_everything(self) -> None:
        for file in sorted(self._folder.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        os.kill(self._process.pid, number)


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.thaw()
            server.kill()


@functools.cache
def shared_redis() -> RedisServer:
    """One for all tests that do not harm it; each has a prefix of its own."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(redis_server())
