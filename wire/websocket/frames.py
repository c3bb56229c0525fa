"""What a WebSocket says: the events as frames of JSON text, each with its run and cursor."""

import json
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from stream.errors import BadRequest, LastwordError, ServerShutdown
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, RunFailed
from stream.log import START, Entry, is_end
from stream.transcript import Transcript
from wire.named import DEFAULT_EXTRAS, Extra, named

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def frame(kind: str, subject: Mapping[str, str], **more: Any) -> str:
    """`subject` is what it is about: a run, and the client's own `id` of what is answered."""
    return _ENCODER.encode({"type": kind, **subject, **more})


def error_frame(error: LastwordError, subject: Mapping[str, str]) -> str:
    """What is wrong with one frame of the client. The socket stays open."""
    more: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, BadRequest) and error.field:
        more["field"] = error.field
    more["retryable"] = error.retryable
    if error.retry_after:
        more["retry_after"] = error.retry_after
    return frame("error", subject, **more)


class FrameEncoder:
    """Encodes the batches of one run for one socket."""

    def __init__(
        self, run_id: str, extras: Collection[Extra] = DEFAULT_EXTRAS, name: str | None = None
    ) -> None:
        """`name` is the client's own for its question: `id` in the first frame."""
        self._extras = frozenset(extras)
        self._run = {"run_id": run_id}
        self._asked = self._run if name is None else {"id": name, **self._run}

    def encode(self, batch: Sequence[Entry]) -> list[str]:
        """A frame for each event, or none: heartbeats are the protocol's own business."""
        return [encoded for entry in batch if (encoded := self._frame(entry))]

    def _frame(self, entry: Entry) -> str:
        told = named(entry.event, self._extras)
        if told is None:
            return ""
        kind, data = told
        return frame(
            kind, self._asked if kind == "start" else self._run, cursor=entry.cursor, **data
        )


class WholeEncoder(FrameEncoder):
    """For a question with `stream: false`: the answer comes whole, in one frame before the end."""

    def __init__(
        self, run_id: str, extras: Collection[Extra] = DEFAULT_EXTRAS, name: str | None = None
    ) -> None:
        super().__init__(run_id, extras, name)
        self._transcript = Transcript()

    def encode(self, batch: Sequence[Entry]) -> list[str]:
        return super().encode(list(self._held(batch)))

    def _held(self, batch: Sequence[Entry]) -> Iterator[Entry]:
        for entry in batch:
            before = self._transcript.last or START
            self._transcript.read([entry])
            if isinstance(entry.event, AnswerDelta | AnswerConfirmed | AnswerRetracted):
                continue
            answered = is_end(entry.event) and not isinstance(entry.event, RunFailed)
            if answered and self._transcript.answer:
                yield Entry(before, AnswerDelta(self._transcript.answer))
            yield entry


async def frames(
    batches: AsyncGenerator[list[Entry], None], encoder: FrameEncoder
) -> AsyncGenerator[list[str], None]:
    """One item per batch that has something to say. Raises only what is known at once.

    Where this process ends before the run, the socket's close says so: the run has no end yet.
    """
    cursor = None
    async with aclosing(batches):
        try:
            async for batch in batches:
                cursor = batch[-1].cursor if batch else cursor
                if encoded := encoder.encode(batch):
                    yield encoded
        except LastwordError as error:
            if cursor is None:
                raise
            if not isinstance(error, ServerShutdown):
                yield encoder.encode([Entry(cursor, error.as_event())])
