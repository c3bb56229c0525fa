r"""`xml`: `<tool>..</tool><tool_input>..</tool_input>`, or `<final_answer>..</final_answer>`.

The rule, exactly. Tags are these very characters, and may stand anywhere in prose.

1. A `<final_answer>` before a complete `<tool>..</tool>` begins the answer: all up to
   `</final_answer>`, verbatim. Otherwise the tool is called, with the first complete
   `<tool_input>`, which may stand before or after it, or else with no input: "".
2. Servers strip the closing tag of an answer or a tool's input as a stop sequence, so
   one that is missing at the end of the reply is accepted. If all of it that came is
   `</` or more, it was cut off and is no text.
3. `[[tool]]`, `[[tool_input]]`, `[[observation]]` and their closing forms stand for
   those tags: LangChain's `format_xml` writes them so. `[[\<]]` and `[[\[]]` stand for `<`
   and `[`, where text would pass for a tag or for one of these.
4. What follows is ignored. The name of the tool is stripped, its input verbatim.
"""

import re

from callbacks.filters.base import ActionRead, Chunk, Delta
from callbacks.filters.json_object import join_surrogates
from callbacks.filters.passage import PassageFilter
from callbacks.filters.seeker import Seeker, seek_any
from callbacks.filters.signs import Signs, tag
from callbacks.filters.until import Until

_ANSWER, _TOOL, _INPUT = "<final_answer>", "<tool>", "<tool_input>"
_ESCAPED = ("tool", "tool_input", "observation")
_SIGNS = ("[[\\<]]", "[[\\[]]")
_ESCAPES = (*(f"[[{slash}{tag}]]" for tag in _ESCAPED for slash in ("", "/")), *_SIGNS)
_escape = re.compile(rf"\[\[(?:(/?(?:{'|'.join(_ESCAPED)}))|\\([<\[]))\]\]").sub


class XmlFilter(PassageFilter):
    """One reply in the `xml` format, being read."""

    def __init__(self) -> None:
        super().__init__(_AnswerText(), Signs(tag("tool", "final", "observation")))
        self._open = ""  # the tag that the text stands in ...
        self._inside: list[str] = []  # ... and that text
        self._read: dict[str, str] = {}  # what complete tags held
        self._seeker = self._next_tag()

    def _seek(self, text: str) -> list[Delta]:
        at = 0
        while at < len(text) and not self._done:
            before, tag, at = self._seeker.seek(text, at)
            if self._open:
                self._inside.append(before)
            if tag == _ANSWER:
                self._answering = True
                return self.feed(Chunk(text[at:]))
            if tag:
                self._see(tag)
        return [self._action()] if self._done else []

    def _conclude(self) -> list[Delta]:
        if _TOOL not in self._read:
            return []
        if self._open:
            self._inside.append(self._seeker.close())
            self._read[self._open] = _without_cut_tag("".join(self._inside), self._open)
        return [self._action()]

    def _see(self, tag: str) -> None:
        if tag == _closing(self._open):
            self._read[self._open] = "".join(self._inside)
            self._open = ""
        else:
            self._open, self._inside = tag, []
        self._done = {_TOOL, _INPUT} <= self._read.keys()
        self._seeker = self._next_tag()

    def _next_tag(self) -> Seeker:
        """What may come next."""
        tags = [_closing(self._open)] if self._open else []
        if _TOOL not in self._read:
            tags += [_ANSWER, _TOOL] if self._open != _TOOL else [_ANSWER]
        if not self._open and _INPUT not in self._read:
            tags.append(_INPUT)
        return seek_any(*tags)

    def _action(self) -> ActionRead:
        name, given = self._read[_TOOL], self._read.get(_INPUT, "")
        name, given = (_unescaped(join_surrogates(text)) for text in (name, given))
        return ActionRead(name.strip(), given)


class _AnswerText(Until):
    """Text up to the closing tag, unescaped."""

    def __init__(self) -> None:
        super().__init__([_closing(_ANSWER)], _ESCAPES)

    def _edited(self, text: str) -> str:
        return _unescaped(text)

    def _rest(self) -> str:
        return _without_cut_tag(super()._rest(), _ANSWER)


def _closing(tag: str) -> str:
    return tag.replace("<", "</")


def _unescaped(text: str) -> str:
    return _escape(_meant, text) if "[[" in text else text


def _meant(found: re.Match[str]) -> str:
    return f"<{found[1]}>" if found[1] else found[2]


def _without_cut_tag(text: str, tag: str) -> str:
    cut = text.rfind("</")
    return text[:cut] if cut >= 0 and _closing(tag).startswith(text[cut:]) else text
