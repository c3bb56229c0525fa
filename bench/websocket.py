"""One question on a WebSocket of its own, and its answer."""

import asyncio
import re

from bench.servers import Server
from bench.stream import FramedStream

HANDSHAKE = b"\r\n".join(
    (
        b"GET %b HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        b"\r\n",
    )
)
NO_MASK = bytes(4)
"""Clients must mask what they send; a mask of zeros changes nothing."""
CLOSE = b"\x88\x82" + NO_MASK + b"\x03\xe8"
END = re.compile(rb'"type":"(end|failed|error)"')
END_LENGTH = len('"type":"failed"')


class Socket(FramedStream):
    """Until the server has closed, as the client asks it to after the run's end."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.head, self.tail, self.is_open = b"", b"", False

    @staticmethod
    def asking(server: Server, number: int) -> bytes:
        """The handshake, and a frame that waits for its answer."""
        text = server.asked(number).encode()
        frame = b"\x81\xfe" + len(text).to_bytes(2, "big") + NO_MASK + text
        return HANDSHAKE % server.path.encode() + frame

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        handshake, blank, self.frame = self.request.partition(b"\r\n\r\n")
        self.request = handshake + blank
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            self.head += data
            _, self.is_open, data = self.head.partition(b"\r\n\r\n")
            if self.is_open:
                self.transport.write(self.frame)
        self.read(data)
        self.tail += data
        if not self.ok and (end := END.search(self.tail)):
            self.ok = end[1] == b"end"
            self.transport.write(CLOSE)
        self.tail = self.tail[-END_LENGTH:]
