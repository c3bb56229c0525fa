"""What single parts of an AI SDK message hold, within what the `ai` package lets pass."""

import json
from math import isfinite
from typing import Any

from stream.events import RunCancelled, RunCompleted, SourceFound

MAX_BRACKETS = 500
"""What is nested more deeply than its client's stack is refused, and so is the whole stream."""
REFUSED = ('"__proto__":', '"constructor":{')
"""Keys that the client's reader of JSON takes for an attack."""


def tool_input(text: str) -> Any:
    """The arguments of a call; as the text that they are, where they are no harmless JSON."""
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        return text
    try:
        value = json.loads(text)
        told = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return text
    return text if any(key in told for key in REFUSED) else value


def source(found: SourceFound) -> tuple[str, dict[str, Any]]:
    """The kind of part, and its fields: a link where there is one to follow, else a document."""
    named = {"sourceId": str(found.number), "providerMetadata": {"lastword": _ours(found)}}
    if found.location.lower().startswith(("http://", "https://")):
        title = {"title": found.title} if found.title else {}
        return "source-url", {"url": found.location, **title, **named}
    title = {"title": found.title or found.location}
    file = {"filename": found.location} if found.location else {}
    return "source-document", {"mediaType": "text/plain", **title, **file, **named}


def _ours(found: SourceFound) -> dict[str, Any]:
    score = {"score": found.score} if isfinite(found.score) else {}
    return {"number": found.number, "passage": found.passage, **score}


def metadata(end: RunCompleted | RunCancelled) -> dict[str, Any]:
    """What is told of a message at its end, by names like the AI SDK's."""
    usage = {
        "inputTokens": end.usage.input_tokens,
        "outputTokens": end.usage.output_tokens,
        "totalTokens": end.usage.total_tokens,
    }
    if isinstance(end, RunCancelled):
        return {"usage": usage}
    citations = {"cited": list(end.cited), "unknownCitations": list(end.unknown)}
    return {"usage": usage} | {name: numbers for name, numbers in citations.items() if numbers}
