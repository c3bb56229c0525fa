"""One gRPC call on a connection of its own: as much HTTP/2 as that takes.

gRPC's own client would take the time from the model. A server that is asked by that one has the
same cost: it widens its windows at once to megabytes, and seldom says more than this one.
"""

import asyncio

from bench.servers import Server
from bench.stream import FramedStream

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
FRAME_HEAD = 9
LARGEST = 2**31 - 1
OK = b"grpc-status\x010"
"""As it stands in the trailers: gRPC's server writes them without Huffman's code."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def field(name: bytes, value: str) -> bytes:
    """A header that nobody shall remember; `name` as it is encoded."""
    return name + bytes((len(value),)) + value.encode()


def headers(path: str) -> bytes:
    """By the static table where that has them (RFC 7541, appendix A)."""
    post, http = b"\x83", b"\x86"
    fields = field(b"\x04", path) + field(b"\x01", "127.0.0.1")
    return post + http + fields + field(b"\x0f\x10", "application/grpc") + field(TE, "trailers")


TE = b"\x00\x02te"
WIDE = b"\x00\x04" + LARGEST.to_bytes(4, "big")
"""The window of a stream: the client takes whatever comes."""
OPENING = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + frame(SETTINGS, 0, 0, WIDE)
    + frame(WINDOW_UPDATE, 0, 0, (LARGEST - 65_535).to_bytes(4, "big"))
)


class Call(FramedStream):
    """Until its trailers have come."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.buffer = b""

    @staticmethod
    def asking(server: Server, number: int) -> bytes:
        """A message whose first field is the text, which is all that a server asks for."""
        text = server.asked(number).encode()
        message = b"\x0a" + bytes((len(text),)) + text
        data = b"\x00" + len(message).to_bytes(4, "big") + message
        head = frame(HEADERS, END_HEADERS, 1, headers(server.path))
        return OPENING + head + frame(DATA, END_STREAM, 1, data)

    def data_received(self, data: bytes) -> None:
        buffer, at, said = self.buffer + data, 0, []
        while at + FRAME_HEAD <= len(buffer):
            begin = at + FRAME_HEAD
            end = begin + int.from_bytes(buffer[at : at + 3], "big")
            if end > len(buffer):
                break
            kind, flags, payload = buffer[at + 3], buffer[at + 4], buffer[begin:end]
            if kind == DATA:
                said.append(payload)
            else:
                self._heed(kind, flags, payload)
            at = end
        self.buffer = buffer[at:]
        if said:
            self.read(b"".join(said))

    def _heed(self, kind: int, flags: int, payload: bytes) -> None:
        if kind in {SETTINGS, PING} and not flags & ACK:
            self.transport.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif (kind == HEADERS and flags & END_STREAM) or kind in {RESET, GOAWAY}:
            self.ok = OK in payload
            asyncio.get_running_loop().call_soon(self.transport.close)  # what came with it is read
