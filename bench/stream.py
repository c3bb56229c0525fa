"""One request and its answer, read as cheaply as Python can; here by HTTP/1.1."""

import asyncio
import re
from dataclasses import dataclass, field

from bench.servers import Server
from bench.upstream import MARK, WRAP, Upstream, now_us

STAMP = re.compile(rb"~(\d{8})")
STAMP_LENGTH = 9


@dataclass
class Result:
    """What the streams of one load brought. Times are in microseconds."""

    tokens: int = 0
    failed: int = 0
    seconds: float = 0.0
    first: list[int] = field(default_factory=list)  # request sent to first answer token read
    delays: list[int] = field(default_factory=list)  # token made to token read
    first_delays: list[int] = field(default_factory=list)


class Stream(asyncio.Protocol):
    """Until the server closes."""

    def __init__(self, request: bytes, result: Result, stamped: bool) -> None:
        self.request, self.result, self.stamped = request, result, stamped
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ok, self.tokens, self.rest = False, 0, b""
        self.writer: Upstream | None = None

    @staticmethod
    def asking(server: Server, number: int) -> bytes:
        body = server.asked(number)
        head = f"POST {server.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {server.accept}\r\n"
        head += "Content-Type: application/json\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # asyncio types it as any kind; TCP gives this one
        self.started = now_us()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.ok = self.ok or data.startswith(b"HTTP/1.1 200")
        self.read(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.result.tokens += self.tokens
        self.result.failed += not self.ok or exc is not None
        if not self.done.done():
            self.done.set_result(None)

    def read(self, data: bytes) -> None:
        """What may hold tokens."""
        before = self.tokens
        if self.stamped:
            self._read_stamps(self.rest + data)
        else:
            self._count(data)
        if not before and self.tokens:
            self.result.first.append((now_us() - self.started) % WRAP)
        if self.writer:
            self.writer.go_on()

    def _count(self, data: bytes) -> None:
        self.tokens += data.count(MARK)

    def _read_stamps(self, data: bytes) -> None:
        now, end = now_us(), 0
        for stamp in STAMP.finditer(data):
            delay, end = (now - int(stamp[1])) % WRAP, stamp.end()
            self.result.delays.append(delay)
            if not self.tokens:
                self.result.first_delays.append(delay)
            self.tokens += 1
        self.rest = data[max(end, len(data) - STAMP_LENGTH + 1) :]  # a stamp may be cut in two


class FramedStream(Stream):
    """Frames with lengths in bytes, of which one may be the same as the mark."""

    MARKED = re.compile(rb"~\d{3}")  # three bytes are more than a length has after such a one

    def _count(self, data: bytes) -> None:
        data, end = self.rest + data, 0
        for mark in self.MARKED.finditer(data):
            end = mark.end()
            self.tokens += 1
        self.rest = data[max(end, len(data) - 3) :]
