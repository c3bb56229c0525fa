"""The client: many streams at once, read as cheaply as Python can."""

import asyncio
import contextlib
import itertools
import re
from dataclasses import dataclass, field

from bench.servers import Running
from bench.upstream import MARK, WRAP, Model, Upstream, now_us

STAMP = re.compile(rb"~(\d{8})")
STAMP_LENGTH = 9
NUMBERS = itertools.count()


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
    """One request and its answer, until the server closes."""

    def __init__(self, request: bytes, result: Result, stamped: bool) -> None:
        self.request, self.result, self.stamped = request, result, stamped
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ok, self.tokens, self.rest = False, 0, b""
        self.writer: Upstream | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.started = now_us()
        transport.write(self.request)  # type: ignore[attr-defined]  # the base class has no `write`

    def data_received(self, data: bytes) -> None:
        self.ok = self.ok or data.startswith(b"HTTP/1.1 200")
        before = self.tokens
        if self.stamped:
            self._read_stamps(self.rest + data)
        else:
            self.tokens += data.count(MARK)
        if not before and self.tokens:
            self.result.first.append((now_us() - self.started) % WRAP)
        if self.writer:
            self.writer.go_on()

    def _read_stamps(self, data: bytes) -> None:
        now, end = now_us(), 0
        for stamp in STAMP.finditer(data):
            delay, end = (now - int(stamp[1])) % WRAP, stamp.end()
            self.result.delays.append(delay)
            if not self.tokens:
                self.result.first_delays.append(delay)
            self.tokens += 1
        self.rest = data[max(end, len(data) - STAMP_LENGTH + 1) :]  # a stamp may be cut in two

    def connection_lost(self, exc: Exception | None) -> None:
        self.result.tokens += self.tokens
        self.result.failed += not self.ok or exc is not None
        if not self.done.done():
            self.done.set_result(None)


async def load(
    target: Running, model: Model, streams: int, *, ramp: float = 0.0, timeout: float = 120
) -> Result:
    """Run `streams` of them at once, started evenly over `ramp` seconds."""
    loop, result = asyncio.get_running_loop(), Result()

    async def one(delay: float) -> None:
        number = next(NUMBERS)
        request = target.server.request(number)
        stream = model.readers[number] = Stream(request, result, stamped=model.rate > 0)
        await asyncio.sleep(delay)
        await loop.create_connection(lambda: stream, "127.0.0.1", target.port)
        await stream.done
        del model.readers[number]

    began = loop.time()
    with contextlib.suppress(TimeoutError):  # what is not complete then is seen in the result
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            for i in range(streams):
                group.create_task(one(ramp * i / streams))
    result.seconds = loop.time() - began
    return result
