"""`harmony`: the channels of gpt-oss, where a server passes them on as plain text.

A reply is messages: `<|start|>`, a header, `<|message|>`, content, and `<|end|>`,
`<|return|>` or `<|call|>`. In content any other token is just text, as in OpenAI's
own parser. The header says whose the content is:

- `assistant<|channel|>final` is the answer. It ends the reply, as does the end of text.
- `to=functions.x`, in any channel, calls the tool `x`, and ends the reply as well.
- Any other channel is a thought, and what the model writes for other roles is nothing.

Servers strip the `<|start|>assistant` that ends their prompt, and the token that
stopped the model. A tool does not run without that token unless its input is a
whole JSON object.
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from callbacks.filters.base import ActionRead, Chunk, Delta
from callbacks.filters.json_value import parse_json
from callbacks.filters.seeker import seek_any
from callbacks.filters.thoughts import Thoughts
from callbacks.filters.until import Until
from stream.events import AnswerDelta, ThoughtDelta

LONGEST_HEADER = 1000
"""Characters. A longer one is read up to there."""

_OURS = "assistant "  # the header of a message whose start the prompt, or nobody, wrote
_IN_HEADER = ("<|start|>", "<|message|>")
_IN_CONTENT = ("<|end|>", "<|return|>", "<|call|>")
_ASSISTANT = re.compile(r"\s*assistant\b")
_FINAL = re.compile(r"<\|channel\|>\s*final\b")
_RECIPIENT = re.compile(r"\bto=(?:functions\.)?([^\s<]+)")
_EVERYBODY = ("all", "assistant", "user")


class HarmonyFilter:
    """One reply in the harmony format, being read."""

    def __init__(self) -> None:
        self._seeker = seek_any(*_IN_HEADER)
        self._take: _Reader = HarmonyFilter._header
        self._head = _OURS
        self._answer = Until()
        self._plain: type[AnswerDelta | ThoughtDelta] | None = None  # what plain text is now
        self._tool = ""
        self._input: list[str] = []
        self._thoughts = Thoughts()
        self._deltas: list[Delta] = []

    @property
    def attempted(self) -> bool:
        """Whether a message has begun, or one was cut off in its header."""
        return self._take is not HarmonyFilter._header or "<|" in self._head

    def feed(self, chunk: Chunk) -> list[Delta]:
        text, thought = chunk.text, chunk.thought
        if self._plain and not thought and "<" not in text and text.isprintable() and text:
            return [self._plain(text)]  # nearly every token
        self._deltas = self._thoughts.feed(thought) if thought else []
        at = 0
        while at < len(text):
            before, mark, at = self._seeker.seek(text, at)
            self._take(self, before, mark)
        self._plain = None if self._seeker.held else self._plain_delta()
        return self._deltas

    def _plain_delta(self) -> type[AnswerDelta | ThoughtDelta] | None:
        """What printable text is from here on, as it stands."""
        if self._take is HarmonyFilter._thought and self._thoughts.flow:
            return ThoughtDelta
        return AnswerDelta if self._take is HarmonyFilter._final and self._answer.flows else None

    def close(self) -> list[Delta]:
        self._deltas = []
        self._take(self, self._seeker.close(), "")
        tail = self._answer.close()
        if tail:
            self._deltas.append(AnswerDelta(tail))
        if self._take is HarmonyFilter._call and isinstance(given := self._given(), dict):
            self._deltas.append(ActionRead(self._tool, given))
        return self._deltas + self._thoughts.close()

    def _header(self, text: str, mark: str) -> None:
        self._head = (self._head + text)[:LONGEST_HEADER]
        if mark == "<|start|>":
            self._head = ""
        elif mark:
            self._seeker, self._take = seek_any(*_IN_CONTENT), self._content()

    def _content(self) -> "_Reader":
        """Who reads the message with the header just read."""
        if not _ASSISTANT.match(self._head):
            return HarmonyFilter._nobodys
        recipient = _RECIPIENT.search(self._head)
        if recipient and recipient[1] not in _EVERYBODY:
            self._tool = recipient[1]
            return HarmonyFilter._call
        return HarmonyFilter._final if _FINAL.search(self._head) else HarmonyFilter._thought

    def _final(self, text: str, mark: str) -> None:
        is_empty = not self._answer.begun
        text = self._answer.feed(text)
        if mark or self._seeker.held:
            text += self._answer.close()
        if text or (mark and is_empty):
            self._deltas.append(AnswerDelta(text))
        if mark:
            self._take = HarmonyFilter._over

    def _call(self, text: str, mark: str) -> None:
        self._input.append(text)
        if mark:
            given = self._given()
            self._deltas.append(ActionRead(self._tool, {} if given is None else given))
            self._take = HarmonyFilter._over

    def _given(self) -> Any:
        """What the tool is given: the parsed JSON, other text, or None if it is nothing."""
        return parse_json("".join(self._input).strip() or "null")

    def _thought(self, text: str, mark: str) -> None:
        self._deltas += self._thoughts.feed(text)
        if mark or self._seeker.held:
            self._deltas += self._thoughts.close()
        self._nobodys(text, mark)

    def _nobodys(self, text: str, mark: str) -> None:
        if mark:
            self._seeker, self._take = seek_any(*_IN_HEADER), HarmonyFilter._header
            self._head = _OURS

    def _over(self, text: str, mark: str) -> None:
        pass


_Reader: TypeAlias = Callable[[HarmonyFilter, str, str], None]
