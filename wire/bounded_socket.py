"""uvicorn's WebSockets, with bounds on what one connection can make it hold or do.

What is read at once may be tens of thousands of frames, all of which uvicorn takes in
before anybody else has a turn; and a client that takes no bytes keeps a closed
connection open.
"""

import asyncio
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_FRAME = 256 * 1024
"""Bytes of a message."""
MAX_FRAMES = 1024
"""Frames in one read, and of one message."""
PIECE = 4096
"""Bytes that are taken in before the frames are counted."""
CLOSE_TIMEOUT = 10.0
"""Seconds for a client to take what was said last."""
POLICY_VIOLATION, INTERNAL_ERROR = 1008, 1011
GOING_DOWN = "lastword.going_down"
"""An ASGI extension: its `event` is that the server was told to stop. It is the app that closes."""


class BoundedSocket(WebSocketsSansIOProtocol):
    """Refuses what is too much with a close frame, and lets go of those who do not listen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_TIMEOUT
        self._read = 0
        self._going_down = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self._read = 0
        for at in range(0, len(data), PIECE):
            super().data_received(data[at : at + PIECE])
            if max(self._read, len(self.frames)) > MAX_FRAMES:
                self.conn.fail(POLICY_VIOLATION, "Too many frames at once.")
                self.handle_parser_exception()
        if not self.handshake_initiated:  # its head came whole: it is not one that can be read
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_events(self) -> None:
        self._read += len(self.conn.events)
        super().handle_events()

    def handle_parser_exception(self) -> None:
        """Say why, and read on: to close while there is something to read would unsay it."""
        if self.close_sent or self.conn.close_sent is None:
            return
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.write_eof()
        self.transport.resume_reading()

    def keepalive_timeout(self) -> None:
        """Tell the app: the connection itself ends only when all that was written is gone."""
        super().keepalive_timeout()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": INTERNAL_ERROR})

    async def send(self, message: Any) -> None:
        """The app need not know yet what we have closed."""
        await self.writable.wait()
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)

    def shutdown(self) -> None:
        """Tell the app: what runs there may go on for a while, and has something to say."""
        if self.handshake_complete and not self.close_sent:
            self._going_down.set()
        else:
            super().shutdown()

    async def run_asgi(self) -> None:
        self.scope["extensions"][GOING_DOWN] = {"event": self._going_down}
        await super().run_asgi()
        if self.close_timer:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
