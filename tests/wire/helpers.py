"""Clients of the HTTP wires: polite ones, rude ones, and a parser that owes nothing to ours."""

import json
import re
import socket
import struct
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

import requests

from tests.replies import Token
from tests.serving import Lastword
from tests.upstream import Upstream

TEXT, EVENTS, JSON = "text/plain", "text/event-stream", "application/json"
WIRES = (TEXT, EVENTS, JSON)
OPENING = '```json\n{"action": "Final Answer", "action_input": "'
CLOSING = '"}\n```'
TIMEOUT = 60


class Shared(NamedTuple):
    lastword: Lastword
    upstream: Upstream


def ask(
    lastword: Lastword, text: Any = "hi", accept: str = TEXT, key: str = "", **body: Any
) -> requests.Response:
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {key}"} if key else {})
    return requests.post(
        lastword.url + "/chat", json={"text": text, **body}, headers=headers, timeout=TIMEOUT
    )


def get(lastword: Lastword, path: str, **options: Any) -> requests.Response:
    return requests.get(lastword.url + path, timeout=TIMEOUT, **options)


def delete(lastword: Lastword, path: str, **options: Any) -> requests.Response:
    return requests.delete(lastword.url + path, timeout=TIMEOUT, **options)


def only_run(lastword: Lastword) -> str:
    """The id of the one run in progress."""
    (execution,) = lastword.runner._threads.values()
    return execution.run.id


def spoken(*pieces: str) -> list[Token]:
    """Tokens of a final answer, cut at the pieces."""
    inner = [json.dumps(piece, ensure_ascii=False)[1:-1] for piece in pieces]
    return [OPENING, *inner, CLOSING]


# Reading events


class Sse(NamedTuple):
    id: str
    name: str
    data: Any


def parse(stream: bytes) -> list[Sse]:
    """By the letter of the HTML standard, section 9.2.6. An unfinished event is none."""
    events: list[Sse] = []
    last_id, name, data = "", "", list[str]()
    for line in re.split("\r\n|\n|\r", stream.decode().removeprefix("\ufeff")):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                events.append(Sse(last_id, name or "message", json.loads("\n".join(data))))
            name, data = "", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value
    return events


def answer_of(events: Iterable[Sse]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "delta")


def ends_of(events: Iterable[Sse]) -> list[Sse]:
    return [event for event in events if event.name in {"end", "failed"}]


# Bytes as they stand

A_LOT = 64 * 1024 * 1024
"""Bytes. More than all buffers between a client and the server hold."""


class Line:
    """A bare connection."""

    def __init__(self, lastword: Lastword) -> None:
        address = urlsplit(lastword.url)
        self._socket = socket.create_connection((address.hostname, address.port), TIMEOUT)
        self.received = b""

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def flood(self, data: bytes) -> int:
        """Send this over and over. Returns how many bytes went out until the server closed."""
        sent = 0
        try:
            while sent < A_LOT:
                self.send(data)
                sent += len(data)
        except ConnectionError:
            pass
        return sent

    def read_until(self, mark: bytes, times: int = 1) -> bytes:
        while self.received.count(mark) < times:
            data = self._socket.recv(65536)
            assert data, f"the server closed before {mark!r}: {self.received!r}"
            self.received += data
        return self.received

    def read_to_end(self) -> bytes:
        while data := self._socket.recv(65536):
            self.received += data
        return self.received


# Leaving, and not reading

Leaving = Literal["fin", "rst", "half"]


class Client:
    """A request on a bare socket: it reads when it wants, and leaves as it wants."""

    def __init__(
        self,
        lastword: Lastword,
        accept: str = TEXT,
        *,
        method: str = "POST",
        path: str = "/chat",
        receive_buffer: int = 0,
        headers: str = "",
        **body: Any,
    ) -> None:
        asked = {"text": "hi", **body} if path == "/chat" else body
        content = json.dumps(asked).encode() if method == "POST" else b""
        address = urlsplit(lastword.url)
        self._socket = socket.socket()
        self._socket.settimeout(TIMEOUT)
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.connect((address.hostname, address.port))
        self._socket.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: {accept}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
            f"{headers}\r\n".encode()
            + content
        )
        self.received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read(self) -> bytes:
        """What has arrived, as soon as something has; nothing if the server closed."""
        data = self._socket.recv(65536)
        self.received += data
        return data

    def read_until(self, mark: bytes) -> bytes:
        """All that was received, up to and past the mark."""
        searched = 0
        while self.received.find(mark, searched) < 0:
            searched = max(0, len(self.received) - len(mark))
            assert self.read(), f"the server closed before {mark!r}: {self.received!r}"
        return bytes(self.received)

    def read_to_end(self) -> bytes:
        """All that was received, up to the server's closing of the connection."""
        while self.read():
            pass
        return bytes(self.received)

    @property
    def body(self) -> bytes:
        """Of what was received, without the borders of its chunks."""
        rest, body = bytes(self.received).partition(b"\r\n\r\n")[2], b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body += rest[: int(size or b"0", 16)]
            rest = rest[int(size or b"0", 16) + 2 :]
        return body

    def header(self, name: str) -> str:
        head = self.read_until(b"\r\n\r\n").partition(b"\r\n\r\n")[0].decode()
        return dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])[name]

    def send(self, data: bytes) -> None:
        """More than the request."""
        self._socket.sendall(data)

    def leave(self, how: Leaving) -> None:
        if how == "half":
            self._socket.shutdown(socket.SHUT_WR)
            return
        if how == "rst":
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()
