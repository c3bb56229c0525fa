"""A scriptable OpenAI-compatible server: the model's stand-in, over real HTTP.

It writes its own bytes, so that a test decides what the model says, how it cuts its tokens,
and when it stalls, fails or closes. It runs in a thread of its own: never a fixed sleep,
a `Gate` holds it where a test wants it and `wait_for` waits for what it has seen.
"""

import asyncio
import json
import math
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from tests.replies import END, Cut, Gate, Raw, Reply, Status, cut_text, dumps, units

Scripted = TypeVar("Scripted", Reply, Raw)


@dataclass
class Request:
    """What arrived, and when it ended or its client left (`time.monotonic()`)."""

    path: str
    headers: Mapping[str, str]  # names in lower case
    body: Any
    arrived: float = field(default_factory=time.monotonic)
    ended: float | None = None
    left: float | None = None
    sent: int = 0  # tokens written


class Reader(asyncio.StreamReader):
    """Knows that the client has gone even while nobody reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        self.gone.set()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self.gone.set()
        super().set_exception(exc)


class Upstream:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.errors: list[Exception] = []
        self.default: Callable[[Any], Reply | Raw] = lambda _request: Reply()
        self._script: deque[Reply | Raw] = deque()
        self._gates: list[Gate] = []
        self._changed = threading.Condition()
        self._started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    # What a test says.

    def script(self, reply: Scripted) -> Scripted:
        """Queue what the next unanswered request gets."""
        self._script.append(reply)
        return reply

    def say(self, text: str, cut: int | Sequence[str] = 4, **options: Any) -> Reply:
        return self.script(Reply(tokens=cut_text(text, cut), **options))

    def release(self, n: float = math.inf) -> None:
        """Release every gate that a request has met."""
        for gate in list(self._gates):
            gate.release(n)

    # What a test sees.

    @property
    def open(self) -> int:
        return sum(r.ended is None and r.left is None for r in self.requests)

    @property
    def cancelled(self) -> int:
        return sum(r.left is not None for r in self.requests)

    def wait_for(self, condition: Callable[[], Any], timeout: float = 30.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{condition} is not met")
            with self._changed:
                self._changed.wait(0.005)  # the condition may be about something else than us

    async def until(self, condition: Callable[[], Any], timeout: float = 30.0) -> None:
        await asyncio.to_thread(self.wait_for, condition, timeout)

    # The server.

    def __enter__(self) -> Self:
        self._thread.start()
        self.port, self._loop, self._stop = self._started.result(10)
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        if self.errors:
            raise self.errors[0]

    async def _run(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(Reader(loop), self._connection, loop=loop),
            "127.0.0.1",
            backlog=1024,
        )
        self._started.set_result((server.sockets[0].getsockname()[1], loop, stop))
        await stop.wait()
        server.close()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    async def _connection(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                await self._answer(request, reader, writer)
        except (Cut, ConnectionError, asyncio.IncompleteReadError) as exc:
            if exc.args == ("reset",):
                linger = struct.pack("ii", 1, 0)  # a close that sends RST
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer(self, request: Request, reader: Reader, out: asyncio.StreamWriter) -> None:
        reply = self._reply_to(request)
        work = asyncio.ensure_future(self._send(request, reply, out))
        gone = asyncio.ensure_future(reader.gone.wait())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ConnectionResetError
            work.result()
        except ConnectionError:
            request.left = time.monotonic()
            raise
        finally:
            work.cancel()
            gone.cancel()
            if request.left is None:
                request.ended = time.monotonic()
            self._notify()

    def _reply_to(self, request: Request) -> Reply | Raw:
        if request.path.endswith("/models"):
            return Raw(dumps({"object": "list", "data": [{"id": "test", "object": "model"}]}))
        if not request.path.endswith("/chat/completions"):
            return Status(404)
        try:
            reply = self._script.popleft() if self._script else self.default(request.body)
        except Exception as exc:
            self.errors.append(exc)  # raised in the test by `__exit__`
            reply = Status(500)
        if isinstance(reply, Reply) and reply.gate:
            self._gates.append(reply.gate)
        self.requests.append(request)
        self._notify()
        return reply

    async def _send(self, request: Request, reply: Reply | Raw, out: asyncio.StreamWriter) -> None:
        if isinstance(reply, Raw):
            out.write(reply.head())
            out.write(reply.content)
            return await out.drain()
        held = b""
        for unit, data in enumerate(units(request.body, reply), -1):
            try:
                await reply.before(unit)
            except Cut as cut:
                await _write(out, held + (END if cut.args == ("end",) else b""), reply.split)
                raise
            held += data
            if unit >= 0:  # counted before it can arrive: who has read a token finds it here
                request.sent = min(unit + 1, len(reply.tokens))
                self._notify()
            if unit in (-1, len(reply.tokens)) or (unit + 1) % reply.coalesce == 0:
                await _write(out, held, reply.split)
                held = b""
        return None


async def _read(reader: Reader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(first.split()[1], headers, json.loads(body) if body else None)


async def _write(out: asyncio.StreamWriter, data: bytes, split: int) -> None:
    for i in range(0, len(data), split or len(data) or 1):
        out.write(data[i : i + (split or len(data))])
        await out.drain()
        await asyncio.sleep(0)  # lets the client read this piece alone
