"""What the client of a WebSocket may say: one JSON object for each frame."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from stream.errors import BadRequest
from stream.log import START
from wire.asked import ChatRequest, Strict
from wire.named import DEFAULT_EXTRAS, Extra
from wire.problems import explained

MAX_ID = 128
Id = Annotated[str, Field(min_length=1, max_length=MAX_ID)]


class Ask(ChatRequest):
    """A question. `id` is the client's own name for it, and comes back with the run's start."""

    id: Id | None = None


class Resume(Strict):
    """Follow a run, after a cursor or from its start."""

    run_id: Id
    after: Annotated[str, Field(max_length=64)] = START
    include: list[Extra] = Field(list(DEFAULT_EXTRAS), max_length=3)
    id: Id | None = None


class Cancel(Strict):
    """Stop a run, whether this socket follows it or not."""

    run_id: Id
    id: Id | None = None


class Leave(Strict):
    """Follow a run no more. What becomes of it is decided by its policy."""

    run_id: Id
    id: Id | None = None


class Ping(Strict):
    """Is anybody there?"""

    id: Id | None = None


SocketRequest = Ask | Resume | Cancel | Leave | Ping
_KINDS: Mapping[str, type[SocketRequest]] = {
    "ask": Ask,
    "resume": Resume,
    "cancel": Cancel,
    "leave": Leave,
    "ping": Ping,
}


def decoded(text: str) -> dict[str, Any]:
    """Raises `BadRequest`."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("The frame is not JSON, or is nested too deeply.") from None
    if not isinstance(given, dict):
        raise BadRequest("A frame is a JSON object.")
    return given


def understood(given: Mapping[str, Any]) -> SocketRequest:
    """Raises `BadRequest` that names the field."""
    name = given.get("type")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadRequest(f"use one of {', '.join(_KINDS)}", field="type")
    try:
        return kind.model_validate({key: given[key] for key in given if key != "type"})
    except ValidationError as invalid:
        first, *others = explained(invalid.errors(include_url=False, include_input=False))
        said = [first["message"], *(f"{each['field']}: {each['message']}" for each in others)]
        raise BadRequest("; ".join(said), field=first["field"]) from None


def subject(given: Mapping[str, Any]) -> dict[str, str]:
    """What an answer to a frame repeats of it, whatever else is wrong with that."""
    return {
        name: value
        for name in ("id", "run_id")
        if isinstance(value := given.get(name), str) and len(value) <= MAX_ID
    }
