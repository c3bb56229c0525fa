"""A guard against tool calls that would stop the server: LangChain reads them at the end.

Its reader of JSON that is not complete drops a character and tries again, so that its
work grows with the square of what cannot be read: half a megabyte takes minutes.
"""

import json
import re

from agent.frames import Frame
from stream.errors import UpstreamMalformed

MAX_CALLS = 128
"""In one reply. LangChain compares each with all before."""
MAX_BROKEN = 4_096
"""Characters of arguments that may be anything. Models do err, and are told; that is short."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+("|\\?\Z)', re.DOTALL)
"""Its end too: nothing, or the first half of an escape, where the text breaks off in it."""
_CLOSING = {"{": "}", "[": "]"}


class Arguments:
    """Of all the tool calls of one reply."""

    def __init__(self) -> None:
        self._calls: list[list[str]] = []
        self._latest: dict[object, list[str]] = {}

    def add(self, frame: Frame) -> None:
        """Raises `UpstreamMalformed` at too many calls."""
        for choice in frame.get("choices") or ():
            for call in choice["delta"].get("tool_calls") or ():
                self._texts(call).append(call["function"].get("arguments") or "")

    def check(self) -> None:
        """All came. Raises `UpstreamMalformed` for what LangChain would read for too long."""
        for texts in self._calls:
            text = "".join(texts)
            if len(text) > MAX_BROKEN and not (_is_json(text) or _is_json(_closed(text))):
                raise UpstreamMalformed

    def _texts(self, call: Frame) -> list[str]:
        index = call.get("index")
        if call.get("id") or index not in self._latest:
            self._latest[index] = []
            self._calls.append(self._latest[index])
            if len(self._calls) > MAX_CALLS:
                raise UpstreamMalformed
        return self._latest[index]


def _is_json(text: str) -> bool:
    """As LangChain takes it, with raw line ends in strings."""
    try:
        json.loads(text, strict=False)
    except json.JSONDecodeError:
        return False
    except (ValueError, RecursionError):
        pass  # too many digits or levels: LangChain gives up at once, too
    return True


def _closed(text: str) -> str:
    """The text with its open string, lists and objects closed: what LangChain tries first."""
    endings = _STRING.findall(text)
    missing: list[str] = []
    for bracket in re.findall(r"[][{}]", _STRING.sub("", text)):
        if bracket in _CLOSING:
            missing.append(_CLOSING[bracket])
        elif missing:
            missing.pop()
    if endings and endings[-1] != '"':
        missing.append('"')
        text = text[: len(text) - len(endings[-1])]
    return text + "".join(reversed(missing))
