"""Server-sent events: one typed event per frame, a cursor on each to resume from."""

import json
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeAlias, assert_never

from fastapi.sse import format_sse_event

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStarted,
    SourceFound,
    ThoughtDelta,
    ToolFinished,
    ToolStarted,
    Usage,
)
from stream.log import Entry

Extra: TypeAlias = Literal["tools", "sources", "thoughts"]

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
DEFAULT_EXTRAS: Collection[Extra] = ("tools", "sources")
RETRY = 2000
"""Milliseconds a browser waits before it reconnects."""
HEARTBEAT = b": heartbeat\n"
"""A comment line without a blank line: line-based clients make an event of every blank line."""


class SseEncoder:
    """Encodes the batches of one connection."""

    def __init__(self, extras: Collection[Extra] = DEFAULT_EXTRAS) -> None:
        self._extras = frozenset(extras)
        self._retry: int | None = RETRY

    def encode(self, batch: Sequence[Entry]) -> bytes:
        """The frames of a batch; an empty batch is a heartbeat. May be b""."""
        if not batch:
            return HEARTBEAT
        return b"".join(map(self._frame, batch))

    def _frame(self, entry: Entry) -> bytes:
        named = self._named(entry.event)
        if named is None:
            return b""
        name, data = named
        retry, self._retry = self._retry, None  # inside the first event: alone it would be a ghost
        # ASCII only: some clients split lines at U+2028, NEL and others of the kind.
        text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
        return format_sse_event(data_str=text, event=name, id=entry.cursor, retry=retry)

    def _named(self, event: Event) -> tuple[str, dict[str, Any]] | None:
        match event:
            case AnswerDelta(text=text, certain=True):
                return "delta", {"text": text}
            case AnswerDelta(text=text):
                return "delta", {"text": text, "certain": False}
            case AnswerConfirmed():
                return "confirm", {}
            case AnswerRetracted():
                return "retract", {}
            case ThoughtDelta(text=text):
                return ("thought", {"text": text}) if "thoughts" in self._extras else None
            case ToolStarted() | ToolFinished():
                return ("tool", _tool(event)) if "tools" in self._extras else None
            case SourceFound():
                return ("source", _source(event)) if "sources" in self._extras else None
            case RunStarted(run_id=run_id, thread_id=thread_id):
                return "start", {"run_id": run_id, "thread_id": thread_id}
            case RunCompleted(finish_reason=reason, usage=usage):
                return "end", {"finish_reason": reason, "usage": usage_json(usage)}
            case RunCancelled(usage=usage):
                return "end", {"finish_reason": "cancelled", "usage": usage_json(usage)}
            case RunFailed(code=code, message=message, retryable=retryable):
                return "failed", {"code": code, "message": message, "retryable": retryable}
            case _:
                assert_never(event)


def _tool(event: ToolStarted | ToolFinished) -> dict[str, Any]:
    named = {"id": event.call_id, "name": event.name}
    if isinstance(event, ToolStarted):
        return {**named, "state": "started", "input": event.input}
    return {**named, "state": "failed" if event.failed else "finished", "output": event.output}


def _source(event: SourceFound) -> dict[str, Any]:
    return {
        "number": event.number,
        "title": event.title,
        "location": event.location,
        "passage": event.passage,
        "score": event.score,
    }


def usage_json(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


async def frames(
    batches: AsyncGenerator[list[Entry], None], extras: Collection[Extra] = DEFAULT_EXTRAS
) -> AsyncGenerator[bytes, None]:
    """One item per batch that has something to say: one send each."""
    encoder = SseEncoder(extras)
    async with aclosing(batches):
        async for batch in batches:
            if encoded := encoder.encode(batch):
                yield encoded
