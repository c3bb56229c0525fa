"""What a client has in the end, whatever its wire."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Told(NamedTuple):
    """What a client has in the end."""

    text: str
    ends: list[str]
    """What told it that it was over, by the protocol's own names."""
    code: str = ""
    """Of our catalogue, if it failed."""
    own: Any = None
    """By what the protocol itself says so."""
    seen: str = ""
    """Everything that came."""


def refused(problem: Any) -> Told:
    return Told("", [str(problem["status"])], problem["code"], problem["status"], str(problem))


def of_events(events: Iterable[tuple[str, Any]]) -> Told:
    """As a client reads the events: what is uncertain may be taken back."""
    certain = uncertain = code = ""
    seen, ends = list[str](), list[str]()
    for name, data in events:
        seen.append(f"{name} {data}")
        if name == "delta" and data.get("certain", True):
            certain += data["text"]
        elif name == "delta":
            uncertain += data["text"]
        elif name == "confirm":
            certain, uncertain = certain + uncertain, ""
        elif name == "retract":
            certain, uncertain = "" if data.get("certain") else certain, ""
        elif name in {"end", "failed", "error"}:
            ends.append(name if name != "end" or data["finish_reason"] == "stop" else "cancelled")
            code = data.get("code", "")
    return Told(certain + uncertain, ends, code, ends[-1] if ends else None, "\n".join(seen))
