"""What a scripted model says, and the exact bytes with which it says it."""

import asyncio
import json
import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

END = b"0\r\n\r\n"  # of a chunked body
Token = str | dict[str, Any] | bytes  # content, a raw delta (tool calls, reasoning), raw bytes


def blob(action: str, action_input: Any) -> str:
    """A `json_chat` reply that calls a tool."""
    body = json.dumps({"action": action, "action_input": action_input}, ensure_ascii=False)
    return f"```json\n{body}\n```"


def final(answer: Any) -> str:
    """A `json_chat` reply that answers."""
    return blob("Final Answer", answer)


def cut_text(text: str, cut: int | Sequence[str]) -> list[Token]:
    if isinstance(cut, int):
        return [text[i : i + cut] for i in range(0, len(text), cut)]
    assert "".join(cut) == text, "the tokens are not the text"
    return list(cut)


class Gate:
    """Passes one token for each `release`; usable from any thread."""

    def __init__(self, permits: float = 0) -> None:
        self._permits = permits
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    def release(self, n: float = math.inf) -> None:
        with self._lock:
            self._permits += n
            while self._waiting and self._permits >= 1:
                waiter = self._waiting.popleft()
                if waiter.set_running_or_notify_cancel():  # else its client has left
                    self._permits -= 1
                    waiter.set_result(None)

    async def wait(self) -> None:
        with self._lock:
            if self._permits >= 1:
                self._permits -= 1
                return
            self._waiting.append(waiter := Future())
        await asyncio.wrap_future(waiter)


class Cut(Exception):
    """The script says that the connection ends here."""


@dataclass(kw_only=True)
class Reply:
    """What the model says. Units are counted: -1 the head, 0.. the tokens, last the end."""

    tokens: Sequence[Token] = field(default_factory=lambda: cut_text(final("Hello there."), 4))
    finish_reason: str | None = "stop"  # None: the stream ends without one
    usage: tuple[int, int] = (12, 34)
    delay: float = 0.0  # seconds before each token
    gate: Gate | None = None  # each token, then the end, waits for one release
    done: bool = True  # whether `[DONE]` is sent
    eol: str = "\n"
    space: bool = True  # `data: {`, or `data:{`
    coalesce: int = 1  # units in one TCP write
    split: int = 0  # bytes per TCP write at most, also within a UTF-8 sequence

    async def before(self, unit: int) -> None:
        if 0 <= unit < len(self.tokens) and self.delay:
            await asyncio.sleep(self.delay)
        if unit >= 0 and self.gate:
            await self.gate.wait()


@dataclass(kw_only=True)
class Stall(Reply):
    """Hangs before unit `after` until released or the client leaves."""

    after: int = 0

    def __post_init__(self) -> None:
        self.gate = self.gate or Gate()

    async def before(self, unit: int) -> None:
        if unit == self.after and self.gate:
            await self.gate.wait()


@dataclass(kw_only=True)
class Close(Reply):
    """Ends before unit `after`: an RST, a FIN in mid-body, or a proper end of the HTTP body."""

    after: int = 0
    how: Literal["reset", "eof", "end"] = "end"

    async def before(self, unit: int) -> None:
        if unit == self.after:
            raise Cut(self.how)


@dataclass
class Raw:
    """A whole response, as it stands."""

    content: bytes
    content_type: str = "text/html"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        extra = [f"{name}: {value}" for name, value in self.headers.items()]
        return head(self.status, self.content_type, *extra, length=len(self.content))


def Status(code: int, headers: Mapping[str, str] | None = None, body: Any = None) -> Raw:  # noqa: N802  reads like Reply
    body = body or {"error": {"message": "scripted", "type": "scripted", "code": None}}
    return Raw(dumps(body), "application/json", code, headers or {})


def head(status: int, content_type: str, *extra: str, length: int | None = None) -> bytes:
    body = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}", body]
    return "\r\n".join([*lines, *extra, "\r\n"]).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def units(request: Any, reply: Reply) -> Iterator[bytes]:
    """The bytes of the head, of each token, and of the end."""
    if not request.get("stream"):
        yield from _whole(request, reply)
        return
    with_usage = (request.get("stream_options") or {}).get("include_usage")
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
    base |= {"model": request["model"]} | ({"usage": None} if with_usage else {})

    def frame(data: bytes) -> bytes:
        return f"data:{' ' * reply.space}".encode() + data + (reply.eol * 2).encode()

    def delta(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return frame(dumps(base | {"choices": [choice]}))

    role = {"role": "assistant", "content": ""}
    yield head(200, "text/event-stream; charset=utf-8") + _chunk(delta(role))
    for token in reply.tokens:
        raw = {"content": token} if isinstance(token, str) else token
        yield _chunk(raw if isinstance(raw, bytes) else delta(raw))
    end = delta({}, reply.finish_reason) if reply.finish_reason else b""
    if with_usage:
        end += frame(dumps(base | {"choices": [], "usage": _usage(reply)}))
    yield _chunk(end + (frame(b"[DONE]") if reply.done else b"")) + END


def _whole(request: Any, reply: Reply) -> Iterator[bytes]:
    """The reply to a request that does not stream: nothing of its body before the end."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for token in reply.tokens:
        if isinstance(token, str):
            message["content"] += token
        elif isinstance(token, dict):
            message |= token
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    base = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1}
    base |= {"model": request["model"], "usage": _usage(reply), "choices": [choice]}
    yield head(200, "application/json")
    yield from (b"" for _ in reply.tokens)
    yield _chunk(dumps(base)) + END


def _usage(reply: Reply) -> dict[str, int]:
    prompt, completion = reply.usage
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def dumps(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate exists only as an escape
        return json.dumps(value, separators=(",", ":")).encode()
