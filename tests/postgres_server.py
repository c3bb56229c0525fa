"""A real PostgreSQL: killed, frozen and started again where a test says so."""

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.serving import wait_for

DEBIAN = Path("/usr/lib/postgresql")
"""Where it is beside the search path, in a folder for each version."""
FAST = [f"-c{each}" for each in ("fsync=off", "full_page_writes=off", "listen_addresses=")]
USER = pwd.getpwnam("nobody")
"""It refuses to run as root."""
PASSWORD = "s3cret"
"""That it does not ask for; nobody may ever see it."""


class PostgresServer:
    """At a socket in a folder of its own, which it must be able to reach by a short path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            os.chown(folder, USER.pw_uid, USER.pw_gid)
        make = [_program("initdb"), "-D", self._data, "-A", "trust", "-U", "lastword"]
        options = ["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [*make, *options], check=True, stdout=subprocess.DEVNULL, **self._as_somebody()
        )

    @property
    def address(self) -> str:
        return f"postgresql://lastword:{PASSWORD}@/postgres?host={self._folder}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [_program("postgres"), "-D", self._data, "-k", self._folder, *FAST],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as_somebody(),
        )
        wait_for(self.answers)

    def answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def run(self, statement: Any, *values: Any) -> list[Any]:
        with psycopg.connect(self.address, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> None:
        """As it is before anybody has used it."""
        self.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def kill(self) -> None:
        """At once, with all its connections. What was committed is there again after `start`."""
        assert self._process
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and says nothing. There is a process for each of them."""
        assert self._process
        own = self._process.pid
        os.kill(own, signal.SIGSTOP)  # first: it neither makes nor buries any from now on
        children = Path(f"/proc/{own}/task/{own}/children").read_text()
        processes = [*map(int, children.split()), own]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def _as_somebody(self) -> dict[str, Any]:
        return {"user": USER.pw_uid, "group": USER.pw_gid} if os.geteuid() == 0 else {}


def _program(name: str) -> str:
    folders = [str(path) for path in sorted(DEBIAN.glob("*/bin"), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *folders]))
    if not found:
        assert not os.environ.get("CI"), f"{name} is missing"
        pytest.skip(f"needs {name}")
    return found


@functools.cache
def shared_postgres() -> PostgresServer:
    """One for all tests, each of which empties it; who harms it mends it."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    server = PostgresServer(Path(stack.enter_context(tempfile.TemporaryDirectory())))
    server.start()
    stack.callback(server.kill)
    return server
