"""`python main.py` without the seconds of its imports: forked off a process that has made them."""

import functools
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Self

import pytest

ROOT = Path(__file__).parent.parent.parent


@functools.cache
def _context() -> ForkServerContext:
    """It forks while it has one thread only, and neither an event loop nor anything open."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["main"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PYTHONWARNINGS", "error")
        forkserver.ensure_running()
    return context


class Forked:
    """A process with what the tests use of `subprocess.Popen`. It shows no errors."""

    def __init__(self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        context = _context()
        self._shown, shown = context.Pipe(duplex=False)
        self.stdout = open(self._shown.fileno(), closefd=False)  # noqa: SIM115  closed in `__exit__`
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._process = context.Process(
            target=_run, args=([*arguments], str(cwd), {**env}, limits, shown)
        )
        self._process.start()
        shown.close()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (status := self.returncode) is None:
            raise subprocess.TimeoutExpired("main.py", timeout or 0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        self.stdout.close()
        self._shown.close()


def _run(
    arguments: list[str], cwd: str, env: dict[str, str], limits: tuple[int, int], shown: Connection
) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    os.dup2(shown.fileno(), 1)
    shown.close()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["main.py", *arguments]
    import main

    main.run()
