"""A message as it grows at the client: its steps, its parts, and what of them is still open.

The `ai` package drops the whole stream for one chunk that it does not know, for `null` where
a field may be missing, and for what is added to a part that never began.
"""

import json
from itertools import chain, count
from typing import Any, Literal, TypeAlias

from stream.events import SourceFound, ToolFinished, ToolStarted
from wire.ai_sdk import parts

Kind: TypeAlias = Literal["text", "reasoning"]
_SERVERS = {"dynamic": True, "providerExecuted": True}
"""A tool that the client does not know, and whose result it need not send."""


class GrowingMessage:
    """Knows what may come next, and what must come before it."""

    def __init__(self) -> None:
        self._frames: list[str] = []
        self._open: Kind | None = None  # the part that grows
        self._parts = 0  # of these kinds; the last one's id
        self._step: Literal["empty", "begun", "worked"] = "empty"  # "worked": a tool has
        self._calls: set[str] = set()  # the message's own ids of these, each unique
        self._running: dict[str, list[str]] = {}  # those of them without a result, by the model's

    def taken(self) -> str:
        """The frames since it was asked last."""
        frames = "".join(self._frames)
        self._frames.clear()
        return frames

    def emit(self, kind: str, **fields: Any) -> None:
        # ASCII only: nothing in it may be taken for the end of a line.
        self.frame(json.dumps({"type": kind, **fields}, ensure_ascii=True, separators=(",", ":")))

    def frame(self, data: str) -> None:
        self._frames.append(f"data: {data}\n\n")

    # Steps

    @property
    def step_is_empty(self) -> bool:
        return self._step == "empty"

    def next_step(self) -> None:
        self.close()
        self.emit("finish-step")
        self.emit("start-step")
        self._step = "empty"

    def empty_step(self) -> None:
        """Take back all that the step holds."""
        self.emit("reset-step")
        self._open, self._step = None, "empty"

    def close(self) -> None:
        """The part that grows is whole."""
        if self._open:
            self.emit(f"{self._open}-end", id=str(self._parts))
            self._open = None

    def _begin(self) -> None:
        """A new part follows; where the tools have done their work, it is the model's next step."""
        self.close()
        if self._step == "worked" and not any(self._running.values()):
            self.next_step()
        self._step = "begun"

    # Parts

    def grow(self, kind: Kind, text: str) -> None:
        if self._open != kind:
            self._begin()
            self._parts += 1
            self._open = kind
            self.emit(f"{kind}-start", id=str(self._parts))
        self.emit(f"{kind}-delta", id=str(self._parts), delta=text)

    def source(self, found: SourceFound) -> None:
        """Text that grows goes on in its part."""
        kind, fields = parts.source(found)
        self.emit(kind, **fields)
        if self._step == "empty":
            self._step = "begun"

    def call(self, call: ToolStarted) -> None:
        self._begin()
        call_id = self._new_id(call.call_id)
        self._running.setdefault(call.call_id, []).append(call_id)
        asked = {"toolName": call.name, "input": parts.tool_input(call.input)}
        self.emit("tool-input-available", toolCallId=call_id, **asked, **_SERVERS)

    def _new_id(self, called: str) -> str:
        """A model may call each of its calls the same."""
        ids = chain([called], (f"{called}-{n}" for n in count(2)))
        new = next(each for each in ids if each not in self._calls)
        self._calls.add(new)
        return new

    def result(self, result: ToolFinished) -> None:
        if not (running := self._running.get(result.call_id)):
            return  # there is no part that this could be added to
        call_id = running.pop(0)
        if result.failed:
            self._fail(call_id, result.output)
        else:
            self.emit("tool-output-available", toolCallId=call_id, output=result.output, **_SERVERS)
        if self._step == "begun":
            self._step = "worked"

    def end(self) -> None:
        """Nothing stays open, whatever comes last."""
        self.close()
        for call_id in chain.from_iterable(self._running.values()):
            self._fail(call_id, "The run ended before the tool did.")

    def _fail(self, call_id: str, reason: str) -> None:
        self.emit("tool-output-error", toolCallId=call_id, errorText=reason, **_SERVERS)
