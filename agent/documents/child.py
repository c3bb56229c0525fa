"""The process that reads documents, started by `agent.documents.apart`.

A question is a line of JSON, the name and the size of a document, and the document. The answer is
a line: its passages, or the reason why it cannot be read.
"""

import ctypes
import json
import signal
import sys
from contextlib import suppress
from typing import BinaryIO

from agent.documents.block import Unreadable
from agent.documents.reading import read
from agent.documents.splitting import split

PR_SET_PDEATHSIG = 1
MEMORY = 1024 * 1024 * 1024
"""Bytes that a document may take."""


def main(memory: int = MEMORY) -> None:
    limit_memory(memory)
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(heard: BinaryIO, told: BinaryIO) -> None:
    """Answers until nobody asks any more."""
    while question := heard.readline():
        asked = json.loads(question)
        told.write(json.dumps(_answer(asked["name"], heard.read(asked["size"]))).encode() + b"\n")
        told.flush()


def _answer(name: str, data: bytes) -> object:
    try:
        return list(split(read(name, data)))
    except Unreadable as error:
        return str(error)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Else a reading that takes for ever would outlive a server that was killed. 0: no longer."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)  # Linux only


def limit_memory(size: int) -> None:
    """Where the system can."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (size, size))
