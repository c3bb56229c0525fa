"""From when on a character can only be the answer, said naively and apart from the grammars.

Each function returns a list: after `n` characters of the reply, with more to come, the
first `certain[n]` characters of the answer are certain. What is left is when it is over.
"""

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

Certain = list[int]

OBSERVATION = "\nObservation"
XML_ESCAPES = {
    f"[[{slash}{name}]]": f"<{slash}{name}>"
    for name in ("tool", "tool_input", "observation")
    for slash in ("", "/")
}
_XML_END = "</final_answer>"


def never(text: str) -> Certain:
    """Only the end tells."""
    return [0] * (len(text) + 1)


def of_json(before: str, sources: list[str], after: str, known_at: int) -> Certain:
    """A string of these `sources`, one for each character, is an answer from `known_at` on."""
    ends = list(accumulate(map(len, sources), initial=len(before)))[1:]
    size = len(before) + sum(map(len, sources)) + len(after)
    return [bisect_right(ends, read) * (read >= known_at) for read in range(size + 1)]


def of_line(text: str, start: int) -> Certain:
    """Stripped, up to an observation: white space and its possible start have to wait."""

    def settled(said: str) -> str:
        said = said.partition(OBSERVATION)[0]
        return _without_start(said, [OBSERVATION]).strip()

    return _of_text(text, start, settled)


def of_xml(text: str, start: int) -> Certain:
    """Verbatim, but tags and their escapes are one thing."""

    def settled(said: str) -> str:
        said = _without_start(said.partition(_XML_END)[0], [_XML_END, *XML_ESCAPES])
        for escape, tag in XML_ESCAPES.items():
            said = said.replace(escape, tag)
        return said

    return _of_text(text, start, settled)


def _of_text(text: str, start: int, settled: Callable[[str], str]) -> Certain:
    return [len(settled(text[start:read])) for read in range(len(text) + 1)]


def _without_start(said: str, marks: list[str]) -> str:
    """Without the longest end of it that one of the marks may begin with."""
    starts = [mark[:size] for mark in marks for size in range(1, len(mark))]
    held = max((len(start) for start in starts if said.endswith(start)), default=0)
    return said[: len(said) - held]
