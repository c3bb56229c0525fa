"""The model of the bench: an OpenAI-compatible token source, one write per token.

It speaks a `json_chat` answer of so many tokens, either at so many a second, each with the time
at which it was made inside its text, or as fast as the server takes them. Then it runs ahead by
as much as the sockets hold, a server reads up to hundreds of tokens at once, and how many depends
on the scheduler. With a `window` at most so many tokens of a stream are on their way from the
model to the client, which lives in the same event loop.
"""

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import Protocol

HEAD = ["```", "json", '\n{"', 'action": "', "Final Answer", '", "', 'action_input": "']
TAIL = ['"}', "\n", "```"]
MARK = b"~"  # stands in every answer token and nowhere else, so that a client can count
WRAP = 100_000_000  # microseconds after which the time in a token starts anew
QUESTION = "Tell me long story #{number}#."
NUMBER = re.compile(rb"story #(\d+)#")

START = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def now_us() -> int:
    return time.monotonic_ns() // 1000 % WRAP


def _payload(body: dict[str, object]) -> bytes:
    base = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1}
    base |= {"model": "bench", "service_tier": "default", "system_fingerprint": "fp_bench"}
    return json.dumps(base | body, separators=(",", ":")).encode()


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _payload({"choices": [choice]})


def _frame(payload: bytes) -> bytes:
    data = b"data: %b\n\n" % payload
    return b"%x\r\n%b\r\n" % (len(data), data)


def _frames(texts: list[str]) -> list[bytes]:
    return [_frame(_delta({"content": text})) for text in texts]


FIRST = START + _frame(_delta({"role": "assistant", "content": ""}))
STAMPED = _frame(_delta({"content": " ~@@@@@@@@"})).replace(b"%", b"%%").replace(b"@" * 8, b"%08d")
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
LAST = _frame(_delta({}, "stop"))
LAST_WITH_USAGE = LAST + _frame(_payload({"choices": [], "usage": USAGE}))
DONE = _frame(b"[DONE]") + b"0\r\n\r\n"


class Reader(Protocol):
    """The client of an answer, at the other end of the server."""

    tokens: int  # that it has read
    writer: "Upstream | None"


@dataclass
class Model:
    """What every answer that starts from now on is like."""

    rate: float = 0  # tokens/s; 0: as fast as it goes
    window: int = 0  # answer tokens on their way; 0: as many as the sockets hold
    frames: list[bytes | None] = field(default_factory=list)  # None: made when it is due
    readers: dict[int, Reader] = field(default_factory=dict)  # by the number in the question

    def speak(self, tokens: int, rate: float = 0, window: int = 0) -> None:
        self.rate, self.window = rate, window
        answer = [None] * tokens if rate else _frames([f" ~{i:05d}" for i in range(tokens)])
        self.frames = [*_frames(HEAD), *answer, *_frames(TAIL)]


class Upstream(asyncio.Protocol):
    """One connection of a server to the model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.loop = asyncio.get_running_loop()
        self.buffer = b""
        self.open, self.paused, self.waiting = True, False, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # asyncio types it as any kind; TCP gives this one

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.go_on()

    def go_on(self) -> None:
        if self.waiting:
            self.waiting = False
            self._next()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        head = head.lower()
        length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
        if found and len(body) >= int(length or 0):
            self.buffer = b""
            self.close = b"connection: close" in head
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        usage = (json.loads(body).get("stream_options") or {}).get("include_usage")
        self.last = (LAST_WITH_USAGE if usage else LAST) + DONE
        self.rate, self.window, self.frames = self.model.rate, self.model.window, self.model.frames
        self.answer_ends = len(self.frames) - len(TAIL)
        self.reader = self.model.readers[int(NUMBER.findall(body)[-1])]
        self.reader.writer = self
        self.sent, self.started = 0, self.loop.time()
        self.transport.write(FIRST)
        self._next()

    def _next(self) -> None:
        """Write one token, and come back: at once if saturated, else when the next is due."""
        if not self.open or self.paused or self._far_ahead():
            self.waiting = self.open
        elif self.sent == len(self.frames):
            self.transport.write(self.last)
            if self.close:
                self.transport.close()
        else:
            self.transport.write(self.frames[self.sent] or STAMPED % now_us())
            self.sent += 1
            if self.rate:
                self.loop.call_at(self.started + self.sent / self.rate, self._next)
            else:
                self.loop.call_soon(self._next)

    def _far_ahead(self) -> bool:
        ahead = self.sent - len(HEAD) - self.reader.tokens
        return 0 < self.window <= ahead and self.sent < self.answer_ends
