"""A run's events as messages of `lastword.v1`."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, assert_never

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
)
from stream.log import START, Cursor, Entry, position
from wire.append_only import AppendOnly
from wire.named import DEFAULT_EXTRAS, Extra
from wire.rpc.lastword.v1.chat_pb2 import (
    FINISH_REASON_CANCELLED,
    FINISH_REASON_CONTENT_FILTER,
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    Answer,
    Delta,
    End,
    FinishReason,
    Retracted,
    Source,
    Started,
    Thought,
    Tool,
    Usage,
)

REASONS: Mapping[str, FinishReason] = {
    "stop": FINISH_REASON_STOP,
    "length": FINISH_REASON_LENGTH,
    "content_filter": FINISH_REASON_CONTENT_FILTER,
}


class Encoder:
    """Encodes a run from its first event on, and tells what comes after a cursor.

    What is held at a cursor depends on all that was before it: so who resumes has the
    whole run read again, and gets the rest to the character.
    """

    def __init__(
        self,
        extras: Collection[Extra] = DEFAULT_EXTRAS,
        append_only: Callable[[], AppendOnly] = AppendOnly,
        after: Cursor = START,
    ) -> None:
        self._extras = frozenset(extras)
        self._append_only = append_only
        self._growing = append_only()
        self._after = position(after)

    def encode(self, batch: Sequence[Entry]) -> list[Answer]:
        """The messages of a batch, often none. A failure is none: it is the call's status."""
        return list(self._answers(batch))

    def _answers(self, batch: Sequence[Entry]) -> Iterator[Answer]:
        for entry in batch:
            told = self._told(entry)
            if told and position(entry.cursor) > self._after:
                yield Answer(cursor=entry.cursor, **told)

    def _told(self, entry: Entry) -> dict[str, Any] | None:
        match event := entry.event:
            case AnswerDelta() | AnswerConfirmed() | AnswerRetracted(certain=False):
                text = self._growing.text([entry])
                return {"delta": Delta(text=_text(text))} if text else None
            case AnswerRetracted():  # this wire has a word for it
                self._growing = self._append_only()
                return {"retracted": Retracted()}
            case ThoughtDelta(text=text) if "thoughts" in self._extras:
                return {"thought": Thought(text=_text(text))}
            case ToolStarted() | ToolFinished() if "tools" in self._extras:
                return {"tool": _tool(event)}
            case SourceFound() if "sources" in self._extras:
                return {"source": _source(event)}
            case ThoughtDelta() | ToolStarted() | ToolFinished() | SourceFound():
                return None
            case RunStarted(run_id=run_id, thread_id=thread_id):
                return {"started": Started(run_id=run_id, thread_id=thread_id)}
            case RunCompleted(finish_reason=reason, cited=cited, unknown=unknown):
                end = _end(event, REASONS[reason])
                end.cited.extend(cited)
                end.unknown_citations.extend(unknown)
                return {"end": end}
            case RunCancelled():
                return {"end": _end(event, FINISH_REASON_CANCELLED)}
            case RunFailed():
                return None
            case _:
                assert_never(event)


def _text(text: str) -> str:
    """Half a surrogate pair, which a tool may say, is no character that a message can hold."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _tool(event: ToolStarted | ToolFinished) -> Tool:
    tool = Tool(call_id=_text(event.call_id), name=_text(event.name))
    if isinstance(event, ToolStarted):
        tool.state, tool.input = Tool.STATE_STARTED, _text(event.input)
    else:
        tool.state = Tool.STATE_FAILED if event.failed else Tool.STATE_FINISHED
        tool.output = _text(event.output)
    return tool


def _source(event: SourceFound) -> Source:
    return Source(
        number=event.number,
        title=_text(event.title),
        location=_text(event.location),
        passage=_text(event.passage),
        score=event.score,
    )


def _end(event: RunCompleted | RunCancelled, reason: FinishReason) -> End:
    usage = event.usage
    return End(
        finish_reason=reason,
        usage=Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.total_tokens,
        ),
    )
