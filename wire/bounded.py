"""uvicorn's HTTP/1.1, with bounds on what one connection can make it hold or do.

uvicorn itself bounds neither the head of a request nor how many wait behind an
answer that is under way; and it does so before any key was looked at.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 64 * 1024
"""Bytes. What is larger is known as such after one more read, of at most 256 KiB."""
MAX_FIELDS = 128
"""Header fields of a request, trailers included."""
MAX_WAITING = 16
"""Requests of one connection that wait for the answer before theirs."""
LINGER = 10.0
"""Seconds, after the end of an answer, that its client has to take it, if the connection is to be
closed; what it has not taken by then is thrown away. More than uvicorn keeps one alive for."""


class _TooMuch(Exception):
    """Ends the parsing there and then: one read may hold ten thousand requests."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses what is too much with a 400, or by closing, and drops the connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unfinished = 0
        self._answering: RequestResponseCycle | None = None
        self._lingering: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MAX_FIELDS:
            raise _TooMuch
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_WAITING or self._head_size() > MAX_HEAD:
            raise _TooMuch
        super().on_headers_complete()
        self.flow.resume_reading()  # or nobody would see that a client left which has one waiting

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished = 0  # with or without a body, and after trailers, which are like heads
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Not into the middle of another answer."""
        if self._answering is None or self._answering.response_complete:
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def handle_websocket_upgrade(self) -> None:
        """Not beside another answer, which nobody would tell that its client has left."""
        if self._answering is None or self._answering.response_complete:
            super().handle_websocket_upgrade()
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request being answered: uvicorn tells only the one that came last."""
        super().connection_lost(exc)
        self._stay()
        if self._answering and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def answer(*arguments: Any) -> None:
            try:
                await app(*arguments)
            finally:  # closing waits for ever for a client that takes nothing
                self._stay()
                self._lingering = self.loop.call_later(LINGER, self._let_go)

        self._stay()
        self._answering = cycle
        super()._start_asgi_task(cycle, answer)

    def _let_go(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()

    def _stay(self) -> None:
        if self._lingering:
            self._lingering.cancel()
