"""A run as the chunks of one message, from its start, and `[DONE]` as the last frame."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, assert_never

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
    FinishReason,
    RunCancelled,
    RunCompleted,
    RunEnded,
    RunFailed,
    RunStarted,
    SourceFound,
    ThoughtDelta,
    ToolFinished,
    ToolStarted,
)
from stream.log import Entry
from wire.ai_sdk import parts
from wire.ai_sdk.message import GrowingMessage, Kind
from wire.append_only import AppendOnly
from wire.named import DEFAULT_EXTRAS, Extra
from wire.sse import HEARTBEAT

_EXTRAS: Mapping[type[Event], Extra] = {
    ThoughtDelta: "thoughts",
    ToolStarted: "tools",
    ToolFinished: "tools",
    SourceFound: "sources",
}
_REASONS: Mapping[FinishReason, str] = {"content_filter": "content-filter"}


class UiMessageEncoder:
    """Encodes the batches of one connection."""

    def __init__(
        self,
        growing: AppendOnly,
        extras: Collection[Extra] = DEFAULT_EXTRAS,
        *,
        can_reset: bool = False,
    ) -> None:
        """With `can_reset`, uncertain text is shown at once, and taken back by `reset-step`."""
        self._growing = growing
        self._hidden = {kind for kind, extra in _EXTRAS.items() if extra not in extras}
        self._can_reset = can_reset
        self._message = GrowingMessage()
        self._uncertain: Literal["shown", "held"] | None = None

    def encode(self, batch: Sequence[Entry]) -> bytes:
        """The frames of a batch; an empty batch is a heartbeat. May be b"".

        Raises `ProducerLost` if the run begins anew after some of its answer went out.
        """
        if not batch:
            return HEARTBEAT
        for entry in batch:
            grown = self._growing.text([entry])
            if type(entry.event) not in self._hidden:
                self._tell(entry.event, grown)
        return self._message.taken().encode("ascii")

    def _tell(self, event: Event, grown: str) -> None:
        """`grown` is what this event made certain of the answer."""
        match event:
            case AnswerDelta(text=text, certain=False) if self._may_try:
                self._try(text)
            case AnswerDelta():
                self._say("text", grown)
            case AnswerConfirmed():
                if self._uncertain != "shown":
                    self._say("text", grown)
                self._uncertain = None
            case AnswerRetracted():
                self._make_way()
                self._uncertain = None
            case ThoughtDelta(text=text):
                self._say("reasoning", text)
            case ToolStarted():
                self._make_way()
                self._message.call(event)
            case ToolFinished():
                self._message.result(event)
            case SourceFound():
                self._make_way()
                self._message.source(event)
            case RunStarted():
                self._start(event)
            case RunCompleted() | RunFailed() | RunCancelled():
                self._end(event)
            case _:
                assert_never(event)

    def _start(self, run: RunStarted) -> None:
        """The message has the run's id, whoever asks for it again, and whenever."""
        self._message.emit("start", messageId=run.run_id)
        ours = {"runId": run.run_id, "threadId": run.thread_id}
        self._message.emit("data-run", data=ours, transient=True)
        self._message.emit("start-step")

    def _end(self, end: RunEnded) -> None:
        self._make_way()
        self._message.end()
        emit = self._message.emit
        match end:
            case RunCompleted(finish_reason=reason):
                emit("finish-step")
                reason_there = _REASONS.get(reason, reason)
                emit("finish", finishReason=reason_there, messageMetadata=parts.metadata(end))
            case RunCancelled():
                emit("message-metadata", messageMetadata=parts.metadata(end))
                emit("abort", reason="The run was cancelled.")
            case RunFailed(code=code, message=message, retryable=retryable):
                ours = {"code": code, "retryable": retryable}
                emit("data-error", data=ours, transient=True)
                emit("error", errorText=message)
            case _:
                assert_never(end)
        self._message.frame("[DONE]")

    # Text

    def _say(self, kind: Kind, text: str) -> None:
        if text:
            self._make_way()
            self._message.grow(kind, text)

    @property
    def _may_try(self) -> bool:
        return self._can_reset and self._uncertain != "held"

    def _try(self, text: str) -> None:
        """In a step of its own: what takes text back is the end of all that its step holds."""
        if not text:
            return
        if self._uncertain is None and not self._message.step_is_empty:
            self._message.next_step()
        self._message.grow("text", text)
        self._uncertain = "shown"

    def _make_way(self) -> None:
        """Something else follows: uncertain text goes out of its way, and is held if more comes."""
        if self._uncertain == "shown":
            self._message.empty_step()
            self._uncertain = "held"
