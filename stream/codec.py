"""Events and runs as JSON text, for logs that keep them outside of the process.

Our own few types and nothing else: what another process wrote is data, never code.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from stream.errors import StorageLost
from stream.events import Event, Usage
from stream.log import Run

_TYPES: dict[str, type[Event]] = {kind.type: kind for kind in get_args(Event)}


def dump_events(events: Sequence[Event]) -> str:
    """ASCII, also where a tool returned half a surrogate pair."""
    return json.dumps([_fields(event) for event in events], separators=(",", ":"))


def load_events(text: str | bytes) -> list[Event]:
    """Raises `StorageLost` for what is none of ours."""
    try:
        return [_event(fields) for fields in json.loads(text)]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StorageLost("The log holds something that is no event of ours.") from error


def dump_run(run: Run) -> str:
    fields = {name: getattr(run, name) for name in run.__slots__}
    return json.dumps(fields | {"created": run.created.isoformat()})


def load_run(text: str | bytes) -> Run:
    """Raises `StorageLost` for what is none of ours, or of a version that knows more."""
    try:
        fields = json.loads(text)
        return Run(**fields | {"created": datetime.fromisoformat(fields["created"])})
    except (ValueError, LookupError, TypeError) as error:
        raise StorageLost("The log holds something that is no run of ours.") from error


def _fields(event: Event) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in event.__slots__}
    if usage := fields.get("usage"):
        fields["usage"] = [usage.input_tokens, usage.output_tokens]
    return {"type": event.type, **fields}


def _event(fields: dict[str, Any]) -> Event:
    kind = _TYPES[fields.pop("type")]
    if "usage" in fields:
        fields["usage"] = Usage(*fields["usage"])
    for numbers in fields.keys() & {"cited", "unknown"}:
        fields[numbers] = tuple(fields[numbers])
    return kind(**fields)
