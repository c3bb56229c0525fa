"""A run as a chat completion: chunk by chunk, or whole."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, assert_never

from stream.citations import places
from stream.errors import LastwordError
from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    RunCancelled,
    RunCompleted,
    RunEnded,
    RunFailed,
    RunStarted,
    SourceFound,
    ThoughtDelta,
    ToolFinished,
    ToolStarted,
    Usage,
)
from stream.log import Entry
from wire.append_only import AppendOnly
from wire.openai.errors import error_document, failure
from wire.sse import HEARTBEAT

DONE = b"data: [DONE]\n\n"
_EMPTY = b'"content":""'
# ASCII only: some clients split lines at U+2028, NEL and others of the kind.
_COMPACT = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


class Head(NamedTuple):
    """What every chunk of a completion says."""

    id: str
    created: int
    """Seconds since 1970."""
    model: str

    def of(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


class ChunkEncoder:
    """Encodes the batches of one connection: a chunk per batch that has text, and a last one."""

    def __init__(
        self,
        head: Head,
        growing: AppendOnly,
        *,
        with_usage: bool = False,
        with_reasoning: bool = False,
    ) -> None:
        self._growing = growing
        self._with_reasoning = with_reasoning
        self._base = head.of("chat.completion.chunk")
        self._no_usage: dict[str, Any] = {"usage": None} if with_usage else {}
        self._sources: list[SourceFound] = []
        self._said: list[str] = []
        self._anew = 0  # where in that
        # All chunks of text are the same but for their text: this is what most of the time goes to.
        self._before, self._after = self._chunk({"content": ""}).split(_EMPTY)

    def encode(self, batch: Sequence[Entry]) -> bytes:
        """The frames of a batch; an empty batch is a heartbeat. May be b""."""
        if not batch:
            return HEARTBEAT
        frames: list[bytes] = []
        thoughts: list[str] = []
        end: RunEnded | None = None
        for _, event in batch:
            match event:
                case RunStarted():
                    frames.append(self._chunk({"role": "assistant", "content": ""}))
                case ThoughtDelta(text=thought):
                    thoughts.append(thought)
                case SourceFound():
                    self._sources.append(event)
                case AnswerRetracted(certain=True):
                    self._sources.clear()  # the run begins anew, and with it their numbers
                    self._anew = sum(map(len, self._said))
                case AnswerDelta() | AnswerConfirmed() | AnswerRetracted():
                    pass  # `AppendOnly` knows them
                case ToolStarted() | ToolFinished():
                    pass  # the server's own, which a client would try to run
                case RunCompleted() | RunFailed() | RunCancelled():
                    end = event
                case _:
                    assert_never(event)
        if thoughts and self._with_reasoning:
            frames.append(self._chunk({"reasoning_content": "".join(thoughts)}))
        if text := self._growing.text(batch):
            self._said.append(text)
            frames.append(b'%b"content":%b%b' % (self._before, _json(text), self._after))
        if end:
            frames += self._end(end)
        return b"".join(frames)

    def fail(self, error: LastwordError) -> bytes:
        """The end of a stream that has no finish reason: without it a failure looks complete."""
        return _frame(error_document(error)) + DONE

    def _end(self, end: RunEnded) -> list[bytes]:
        if not isinstance(end, RunCompleted):
            return [self.fail(failure(end))]
        frames = [
            self._chunk(_cited(self._sources, "".join(self._said), self._anew), end.finish_reason)
        ]
        if self._no_usage:
            frames.append(_frame({**self._base, "choices": [], "usage": _used(end.usage)}))
        return [*frames, DONE]

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _frame({**self._base, "choices": [choice], **self._no_usage})


def completion(
    head: Head,
    answer: str,
    end: RunCompleted,
    sources: Sequence[SourceFound] = (),
    reasoning: str = "",
) -> dict[str, Any]:
    """The whole answer as one document."""
    message = {"role": "assistant", "content": answer, "refusal": None}
    message |= _cited(sources, answer) | ({"reasoning_content": reasoning} if reasoning else {})
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": end.finish_reason,
    }
    usage = _used(end.usage)
    return {**head.of("chat.completion"), "choices": [choice], "usage": usage}


def _used(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _cited(sources: Sequence[SourceFound], answer: str, since: int = 0) -> dict[str, Any]:
    """Each place, from `since` on, where the answer cites a source; nothing without sources."""
    if not sources:
        return {}
    annotations: list[dict[str, Any]] = []
    cited = [place for place in places(answer) if place[1] >= since]
    for source in sources:
        where = [place for number, *place in cited if number == source.number]
        for start, end in where:
            citation = {"url": source.location, "title": source.title}
            place = {"start_index": start, "end_index": end}
            annotations.append({"type": "url_citation", "url_citation": citation | place})
    return {"annotations": annotations}


def _frame(document: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _json(document)


def _json(value: Any) -> bytes:
    return _COMPACT.encode(value).encode()
