"""A real browser, spoken to over a pipe in its own protocol, and nothing to install for it."""

import contextlib
import json
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
PIPE = 'exec "$0" "$@" 3<&"$IN" 4>&"$OUT"'
"""The browser reads commands from descriptor 3 and answers on 4."""


class Pipe:
    """Commands to the browser, its answers, and what else it told, by session."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, os.fdopen(answers, "rb")
        self._rest, self._number = b"", 0
        self.events: defaultdict[str | None, list[dict[str, Any]]] = defaultdict(list)

    def call(self, session: str | None, method: str, **params: Any) -> Any:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events[answer.get("sessionId")].append(answer)
        assert "error" not in answer, answer
        return answer["result"]

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


class Page:
    """One page in it."""

    def __init__(self, pipe: Pipe, context: str | None = None) -> None:
        self._pipe, self._context = pipe, context
        self.session: str | None = None
        where = {"browserContextId": context} if context else {}
        self.target = self.call("Target.createTarget", url="about:blank", **where)["targetId"]
        attached = self.call("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]

    def another(self) -> "Page":
        """Another page of the same person."""
        return Page(self._pipe, self._context)

    def stranger(self) -> "Page":
        """A page of somebody who was never here."""
        context = self._pipe.call(None, "Target.createBrowserContext")["browserContextId"]
        return Page(self._pipe, context)

    def call(self, method: str, **params: Any) -> Any:
        return self._pipe.call(self.session, method, **params)

    def told(self, method: str) -> list[dict[str, Any]]:
        """The events of this kind so far, of a domain that was enabled."""
        events = self._pipe.events[self.session]
        return [event["params"] for event in events if event["method"] == method]

    def evaluate(self, script: str) -> Any:
        """What a script in the page comes to; a promise is waited for."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def leave(self) -> None:
        """A stranger goes, and with them all that was kept for them."""
        self._pipe.call(None, "Target.disposeBrowserContext", browserContextId=self._context)


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
        with contextlib.closing(Pipe(commands, answers)) as pipe:
            yield Page(pipe)
    finally:
        process.terminate()
        process.wait(20)
