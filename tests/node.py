"""The clients of `tests/clients`, run by Node."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

CLIENTS = Path(__file__).parent / "clients"


def _program() -> str:
    """Skips the test where there is no Node, but not in CI."""
    program = shutil.which("node")
    if not (program and (CLIENTS / "node_modules").is_dir()) and not os.environ.get("CI"):
        pytest.skip("no Node here, or no `npm ci` in tests/clients")
    return program or "node"


def _command(script: str, *args: str) -> list[str]:
    return [_program(), str(CLIENTS / script), *args]


def module(code: str) -> list[str]:
    """The command that runs a module's code; in `CLIENTS`, where it finds what it imports."""
    return [_program(), "--input-type=module", "--eval", code]


def node(script: str, *args: str, input: str | None = None, timeout: float = 60) -> list[Any]:  # noqa: A002  as in subprocess
    """Run a script to its end. Returns the lines of JSON that it printed."""
    done = subprocess.run(
        _command(script, *args),
        input=input,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


class Node:
    """A running script that answers each line of JSON with one."""

    def __init__(self, commands: IO[str], answers: IO[str], timeout: float) -> None:
        self._commands, self._answers, self._timeout = commands, answers, timeout
        self.kill = lambda: None

    def call(self, command: str, **given: Any) -> Any:
        # ASCII only: a lone surrogate is no UTF-8, but it has an escape.
        self._commands.write(json.dumps({"command": command, **given}) + "\n")
        self._commands.flush()
        watch = threading.Timer(self._timeout, self.kill)
        watch.start()
        try:
            line = self._answers.readline()
        finally:
            watch.cancel()
        assert line, f"the script died, or was silent for too long, at {command}"
        return json.loads(line)


@contextlib.contextmanager
def running(script: str, *args: str, timeout: float = 30) -> Iterator[Node]:
    """A script that takes commands until this is left; `timeout` seconds for each of them."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        _command(script, *args), stdin=pipe, stdout=pipe, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin
        assert process.stdout
        client = Node(process.stdin, process.stdout, timeout)
        client.kill = process.kill
        try:
            yield client
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            finally:
                process.kill()
