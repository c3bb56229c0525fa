"""Documents are read in a process of their own: whoever wrote one may have meant harm.

It is given no keys and no files, and little memory. One that takes too long or dies is replaced,
and the document is to blame.
"""

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from agent.documents.block import Block, Unreadable

SECONDS = 30.0
"""For one document."""
LONGEST_ANSWER = 256 * 1024 * 1024
"""Bytes."""
_COMMAND = (
    *(sys.executable, "-c"),
    "from agent.documents.child import die_with_parent, main; die_with_parent(); main()",
)
_HOME = Path(__file__).parents[2]
_KEPT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")


class Apart:
    """Reads one document after the other. Use as a context manager, in threads."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._reading = threading.Lock()
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends a reading that is under way, too, from any thread."""
        self.closed = True
        if child := self._child:
            child.kill()
        with self._reading:
            self._end()

    def read(self, name: str, data: bytes) -> list[Block]:
        """A document's passages. Raises `Unreadable`."""
        with self._reading:
            answer = self._answer(name, data)
        if isinstance(answer, str):
            raise Unreadable(answer)
        return [Block(tuple(titles), text, place) for titles, text, place in answer]

    def _answer(self, name: str, data: bytes) -> Any:
        self._check()
        if self._child and self._child.poll() is not None:
            self._end()  # it died while nobody asked: the next document is not to blame
        child = self._child = self._child or _started()
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            child.kill()

        timer = threading.Timer(self._seconds, expire)
        timer.start()
        try:
            self._check()  # else who closes would wait for the whole reading
            return _asked(child, name, data)
        except (OSError, ValueError):  # it died while it was told, or while it answered
            self._end()
            too_long = "takes too long to read" if expired.is_set() else "cannot be read"
            raise Unreadable(too_long) from None
        finally:
            timer.cancel()

    def _check(self) -> None:
        if self.closed:
            raise Unreadable("was not read: the server stops")

    def _end(self) -> None:
        if child := self._child:
            self._child = None
            child.kill()
            with suppress(OSError):  # what it was not told any more
                child.communicate()


def _started() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  the command is a constant of this file
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_HOME,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
    )


def _asked(child: "subprocess.Popen[bytes]", name: str, data: bytes) -> Any:
    """Raises `OSError` or `ValueError` if there is no answer."""
    told, heard = child.stdin, child.stdout
    assert told is not None  # noqa: S101  for the type checker: PIPE was asked for, so it is there
    assert heard is not None  # noqa: S101  for the type checker: PIPE was asked for, so it is there
    told.write(json.dumps({"name": name, "size": len(data)}).encode() + b"\n" + data)
    told.flush()
    return json.loads(heard.readline(LONGEST_ANSWER))
