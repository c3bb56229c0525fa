"""The events' names and data, as the wires for events tell them: one place for all of these."""

from collections.abc import Collection, Iterable
from typing import Any, Literal, TypeAlias, assert_never

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
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

Extra: TypeAlias = Literal["tools", "sources", "thoughts"]

DEFAULT_EXTRAS: Collection[Extra] = ("tools", "sources")


def named(event: Event, extras: Collection[Extra]) -> tuple[str, dict[str, Any]] | None:
    """An event's name and data; None for an extra that nobody asked for."""
    match event:
        case AnswerDelta(text=text, certain=True):
            return "delta", {"text": text}
        case AnswerDelta(text=text):
            return "delta", {"text": text, "certain": False}
        case AnswerConfirmed():
            return "confirm", {}
        case AnswerRetracted(certain=certain):
            return "retract", {"certain": True} if certain else {}
        case ThoughtDelta(text=text):
            return ("thought", {"text": text}) if "thoughts" in extras else None
        case ToolStarted() | ToolFinished():
            return ("tool", _tool(event)) if "tools" in extras else None
        case SourceFound():
            return ("source", _source(event)) if "sources" in extras else None
        case RunStarted(run_id=run_id, thread_id=thread_id):
            return "start", {"run_id": run_id, "thread_id": thread_id}
        case RunCompleted(finish_reason=reason, usage=usage):
            ended = {"finish_reason": reason, "usage": usage_json(usage)}
            return "end", ended | citations_json(event)
        case RunCancelled(usage=usage):
            return "end", {"finish_reason": "cancelled", "usage": usage_json(usage)}
        case RunFailed(code=code, message=message, retryable=retryable):
            return "failed", {"code": code, "message": message, "retryable": retryable}
        case _:
            assert_never(event)


def _tool(event: ToolStarted | ToolFinished) -> dict[str, Any]:
    tool = {"id": event.call_id, "name": event.name}
    if isinstance(event, ToolStarted):
        return {**tool, "state": "started", "input": event.input}
    return {**tool, "state": "failed" if event.failed else "finished", "output": event.output}


def sources_json(sources: Iterable[SourceFound], end: RunEnded | None) -> dict[str, Any]:
    """All sources of a run, as its whole answer tells them."""
    citations = citations_json(end) if isinstance(end, RunCompleted) else {}
    return {"sources": [_source(source) for source in sources], "cited": [], **citations}


def citations_json(end: RunCompleted) -> dict[str, list[int]]:
    """The numbers that the answer cites, and those that no source has; only what there is."""
    told = {"cited": list(end.cited), "unknown_citations": list(end.unknown)}
    return {name: numbers for name, numbers in told.items() if numbers}


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
