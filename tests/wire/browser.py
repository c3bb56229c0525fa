"""A real browser, spoken to over a pipe in its own protocol, and nothing to install for it."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
PIPE = 'exec "$0" "$@" 3<&"$IN" 4>&"$OUT"'
"""The browser reads commands from descriptor 3 and answers on 4."""


class Page:
    """One page in it."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, os.fdopen(answers, "rb")
        self._rest, self._number = b"", 0
        self.session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]

    def call(self, method: str, **params: Any) -> Any:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            pass  # an event, which nobody asked for
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, script: str) -> Any:
        """What a script in the page comes to."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def _read(self) -> Any:
        while b"\0" not in self._rest:
            data = self._answers.read1()
            assert data, "the browser has gone"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def close(self) -> None:
        os.close(self._commands)
        self._answers.close()


@contextlib.contextmanager
def browsing(profile: Path) -> Iterator[Page]:
    """A browser with an empty profile."""
    child_in, commands = os.pipe()
    answers, child_out = os.pipe()
    process = subprocess.Popen(
        [
            "bash",
            "-c",
            PIPE,
            str(BROWSER),
            *OPTIONS,
            f"--user-data-dir={profile}",
            "--remote-debugging-pipe",
        ],
        env={**os.environ, "IN": str(child_in), "OUT": str(child_out)},
        pass_fds=(child_in, child_out),
        stderr=subprocess.DEVNULL,
    )
    os.close(child_in)
    os.close(child_out)
    try:
        with contextlib.closing(Page(commands, answers)) as page:
            yield page
    finally:
        process.terminate()
        process.wait(20)
