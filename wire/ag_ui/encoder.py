"""A run as AG-UI 1.0 events, in the order and with the closings that its verifier wants."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, assert_never

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
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
from wire.ag_ui.frames import Fields, Frames
from wire.append_only import AppendOnly
from wire.named import DEFAULT_EXTRAS, Extra, citations_json, named
from wire.sse import HEARTBEAT

PROTOCOL_VERSION = "1.0"
UNFINISHED = "The run ended before this tool did."


class Names(NamedTuple):
    """By which the client knows its run."""

    thread_id: str
    run_id: str
    parent_run_id: str | None = None


class AgUiEncoder:
    """Encodes the batches of one connection, from the run's first.

    Ids of messages and of calls begin with our run id: a run has the same ones whenever it is
    heard, and no two runs share one, though a model may call each of its calls the same.
    """

    def __init__(
        self,
        names: Names,
        growing: AppendOnly,
        extras: Collection[Extra] = DEFAULT_EXTRAS,
        messages: Sequence[Any] = (),
        *,
        again: bool = False,
    ) -> None:
        """`messages` is the client's conversation; `again`, that it may have some of the run."""
        self._names = names
        self._growing = growing
        self._extras = frozenset(extras)
        self._messages = messages
        self._again = again
        self._frames = Frames()
        self._run_id = ""
        self._made = Counter[str]()
        self._answering = False
        self._thought = ""
        self._calls: list[tuple[str, str]] = []  # without a result: the model's id, and ours

    def encode(self, batch: Sequence[Entry]) -> bytes:
        """The frames of a batch; an empty batch is a heartbeat. May be b""."""
        if not batch:
            return HEARTBEAT
        for entry in batch:
            self._read(entry)
        return self._frames.take()

    def _read(self, entry: Entry) -> None:
        match entry.event:
            case AnswerRetracted(certain=True):
                self._begin_anew()
            case AnswerDelta() | AnswerConfirmed() | AnswerRetracted():
                if text := self._growing.text([entry]):
                    self._answer(text)
            case ThoughtDelta(text=text):
                self._think(text)
            case ToolStarted() as started:
                if "tools" in self._extras:
                    self._call(started)
            case ToolFinished() as finished:
                self._called(finished)
            case SourceFound() as found:
                if told := named(found, self._extras):
                    self._frames.event("CUSTOM", name=told[0], value=told[1])
            case RunStarted() as started:
                self._start(started)
            case RunCompleted(finish_reason=reason, usage=usage) as completed:
                result = {"finish_reason": reason, **citations_json(completed)}
                self._finish("success", usage, result=result)
            case RunCancelled(usage=usage):
                self._finish("cancelled", usage)
            case RunFailed() as failed:
                self._fail(failed)
            case _:
                assert_never(entry.event)

    def _start(self, event: RunStarted) -> None:
        self._run_id = event.run_id
        names = {**self._run(), "protocolVersion": PROTOCOL_VERSION}
        if self._names.parent_run_id is not None:
            names["parentRunId"] = self._names.parent_run_id
        self._frames.event("RUN_STARTED", **names)
        ours = {"run_id": event.run_id, "thread_id": event.thread_id}
        self._frames.event("CUSTOM", name="lastword.run", value=ours)
        if self._again:
            self._take_back()

    def _take_back(self) -> None:
        messages = before(self._messages, self._run_id, self._made["thought"])
        self._frames.event("MESSAGES_SNAPSHOT", messages=messages)

    def _begin_anew(self) -> None:
        """Here even what was certain can be taken back."""
        self._close()
        self._take_back()
        self._growing = type(self._growing)()

    def _run(self) -> Fields:
        return {"threadId": self._names.thread_id, "runId": self._names.run_id}

    def _answer(self, text: str) -> None:
        self._stop_thinking()
        if not self._answering:
            self._answering = True
            self._frames.event("TEXT_MESSAGE_START", messageId=self._run_id, role="assistant")
        self._frames.delta("TEXT_MESSAGE_CONTENT", text, messageId=self._run_id)

    def _think(self, text: str) -> None:
        if not text or "thoughts" not in self._extras:
            return
        if not self._thought:
            self._thought = thought = self._new_id("thought")
            self._frames.event("REASONING_START", messageId=thought)
            self._frames.event("REASONING_MESSAGE_START", messageId=thought, role="reasoning")
        self._frames.delta("REASONING_MESSAGE_CONTENT", text, messageId=self._thought)

    def _stop_thinking(self) -> None:
        if self._thought:
            self._frames.event("REASONING_MESSAGE_END", messageId=self._thought)
            self._frames.event("REASONING_END", messageId=self._thought)
            self._thought = ""

    def _call(self, event: ToolStarted) -> None:
        self._stop_thinking()
        ours = self._new_id("call")
        self._calls.append((event.call_id, ours))
        self._frames.event("TOOL_CALL_START", toolCallId=ours, toolCallName=event.name)
        self._frames.delta("TOOL_CALL_ARGS", event.input, toolCallId=ours)
        self._frames.event("TOOL_CALL_END", toolCallId=ours)

    def _called(self, event: ToolFinished) -> None:
        for call in self._calls:
            if call[0] == event.call_id:
                self._calls.remove(call)
                self._result(call[1], event.output, event.failed)
                return

    def _result(self, call: str, content: str, failed: bool) -> None:
        fields: Fields = {"messageId": f"{call}-result", "toolCallId": call, "content": content}
        if failed:
            fields["metadata"] = {"lastword": {"failed": True}}
        self._frames.event("TOOL_CALL_RESULT", **fields, role="tool")

    def _close(self) -> None:
        """Leaves nothing open. A call without a result would be the client's to answer."""
        self._stop_thinking()
        for _, call in self._calls:
            self._result(call, UNFINISHED, failed=True)
        self._calls.clear()
        if self._answering:
            self._frames.event("TEXT_MESSAGE_END", messageId=self._run_id)
        self._answering = False

    def _finish(self, outcome: str, usage: Usage, **result: Any) -> None:
        self._close()
        counted = {
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.total_tokens,
        }
        ended = {**self._run(), "outcome": {"type": outcome}, "usage": [counted], **result}
        self._frames.event("RUN_FINISHED", **ended)

    def _fail(self, event: RunFailed) -> None:
        self._close()
        mark = {"lastword": {"retryable": event.retryable}}
        self._frames.event("RUN_ERROR", message=event.message, code=event.code, metadata=mark)

    def _new_id(self, kind: str) -> str:
        self._made[kind] += 1
        return f"{self._run_id}-{kind}-{self._made[kind]}"


def before(messages: Sequence[Any], run_id: str, thoughts: int = 0) -> list[Any]:
    """A conversation as it was before a run that has had so many thoughts since.

    The client keeps reasoning that a snapshot does not name, so that is named, and emptied.
    """
    kept = [each for each in messages if not each["id"].startswith(run_id)]
    ours = [each for each in messages if each["id"].startswith(run_id)]
    names = {each["id"] for each in ours if each["role"] == "reasoning"}
    names |= {f"{run_id}-thought-{n}" for n in range(1, thoughts + 1)}
    return kept + [{"id": name, "role": "reasoning", "content": ""} for name in sorted(names)]
