"""Server-sent events: one typed event per frame, a cursor on each to resume from."""

import json
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing, suppress
from typing import Protocol

from fastapi.sse import format_sse_event

from stream.errors import LastwordError, ServerShutdown
from stream.log import START, Entry
from wire.named import DEFAULT_EXTRAS, Extra, named

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
RETRY = 2000
"""Milliseconds a browser waits before it reconnects."""
HEARTBEAT = b": heartbeat\n"
"""A comment line without a blank line: line-based clients make an event of every blank line."""


class Encoder(Protocol):
    """Events by another protocol, in frames of the same kind."""

    def encode(self, batch: Sequence[Entry], /) -> bytes: ...


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
        told = named(entry.event, self._extras)
        if told is None:
            return b""
        name, data = told
        retry, self._retry = self._retry, None  # inside the first event: alone it would be a ghost
        # ASCII only: some clients split lines at U+2028, NEL and others of the kind.
        text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
        return format_sse_event(data_str=text, event=name, id=entry.cursor, retry=retry)


async def frames(
    batches: AsyncGenerator[list[Entry], None], extras: Collection[Extra] = DEFAULT_EXTRAS
) -> AsyncGenerator[bytes, None]:
    """One item per batch that has something to say: one send each.

    Where this process ends before the run, so does the stream, without an end: a client that
    sees none comes back with its last cursor, and finds another process.
    """
    encoder = SseEncoder(extras)
    with suppress(ServerShutdown):
        async with aclosing(batches):
            async for batch in batches:
                if encoded := encoder.encode(batch):
                    yield encoded


async def frames_with_errors(
    batches: AsyncGenerator[list[Entry], None], encoder: Encoder
) -> AsyncGenerator[bytes, None]:
    """The same for clients that take an end without an end event for a success: there is none."""
    async with aclosing(batches):
        try:
            async for batch in batches:
                if encoded := encoder.encode(batch):
                    yield encoded
        except LastwordError as error:
            yield encoder.encode([Entry(START, error.as_event())])
