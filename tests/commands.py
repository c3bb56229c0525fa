"""Lastword as a user starts it: in a process of its own, on pipes or on a terminal."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.serving import wait_for
from tests.upstream import Upstream

ROOT = Path(__file__).parent.parent
MAIN = (sys.executable, str(ROOT / "main.py"))
TIMEOUT = 40.0
"""Seconds that anything may take on a busy machine."""


def environment(data: Path, **settings: Any) -> dict[str, str]:
    """Of a process that keeps its data in `data`; `model="offline"` is LASTWORD_MODEL."""
    settings = {"data": data, "model": "offline", "drain": 0} | settings
    own = {f"LASTWORD_{name.upper()}": str(value) for name, value in settings.items()}
    if url := own.pop("LASTWORD_OPENAI_BASE_URL", None):
        own |= {"OPENAI_BASE_URL": url, "LASTWORD_MODEL": "openai:test"}
    return os.environ | own | {"PYTHONWARNINGS": "error", "TERM": "dumb"}


def lastword(
    *arguments: str, data: Path, typed: str | bytes = "", **settings: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, in the folder `data`."""
    return subprocess.run(
        [*MAIN, *arguments],
        input=typed.encode() if isinstance(typed, str) else typed,
        capture_output=True,
        cwd=data,
        env=environment(data, **settings),
        timeout=TIMEOUT,
    )


def on(upstream: Upstream) -> dict[str, str]:
    """Settings with which the scriptable model answers."""
    return {"openai_base_url": upstream.url, "protocol": "json_chat"}


class Terminal:
    """A command on a pseudo-terminal, its controlling one: what is typed there is typed."""

    def __init__(self, command: Sequence[str], cwd: Path, env: dict[str, str]) -> None:
        self._here, there = pty.openpty()
        attributes = termios.tcgetattr(there)
        attributes[3] |= termios.NOFLSH  # on Ctrl-C, do not drop what was shown in answer to it
        termios.tcsetattr(there, termios.TCSANOW, attributes)
        self.process = subprocess.Popen(
            command,
            stdin=there,
            stdout=there,
            stderr=there,
            cwd=cwd,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(there)
        self.screen = ""
        """All that was shown, what was typed included."""
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)
        os.close(self._here)

    def type(self, text: str) -> None:
        os.write(self._here, text.encode())

    def wait_for(self, text: str) -> str:
        """Wait until this is shown; what was shown since the last time, up to its end."""
        deadline = time.monotonic() + TIMEOUT
        while (found := self.screen.find(text, self._read)) < 0:
            ready, _, _ = select.select([self._here], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} is never shown: {self.screen!r}"
            self.screen += os.read(self._here, 4096).decode().replace("\r\n", "\n")
        start, self._read = self._read, found + len(text)
        return self.screen[start : self._read]

    def wait_for_prompt(self) -> str:
        """Wait until the next question is read: before that, a Ctrl-C could fall between."""
        shown = self.wait_for("> ")
        state = Path(f"/proc/{self.process.pid}/stat")
        wait_for(lambda: not state.exists() or state.read_text().split()[2] == "S", TIMEOUT)
        return shown

    def ends_with(self) -> int:
        """Wait for the process' end; its exit status."""
        return self.process.wait(TIMEOUT)
