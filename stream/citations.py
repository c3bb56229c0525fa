"""Which sources an answer cites. Pure: a citation is read, never made up."""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

_CODE = r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`"
_INSIDE = r"(?:(?!\\[(\[]|\n\s*\n)[^$`]){1,1000}?"
_SIGNS = r"[^$`\n]*[\\^_{=][^$`\n]*"
_LETTERS = r"(?=[^$`\n]*[a-zA-Z])(?:(?![a-zA-Z]{2})[a-zA-Z\d\s.,:;!|'()[\]+*/<>-]){1,60}"
_FORMULA = (  # what the page takes for one (web/formula.js): between two prices there are words
    rf"\\\({_INSIDE}\\\)|\\\[{_INSIDE}\\\]|\$\${_INSIDE}\$\$(?!\d)"
    rf"|\$(?=[^\s$`][^$`\n]{{0,201}}(?<=\S)\$(?!\d))(?:{_SIGNS}\$|{_LETTERS}\$(?!\w))"
)
_ESCAPED = r"\\[!-/:-@[-`{-~]"
_NO_WORDS = re.compile(f"{_CODE}|{_FORMULA}|{_ESCAPED}", re.DOTALL)
_ONE = r"\d{1,3}"
CITATION = re.compile(
    rf"(?<!\\sqrt)[\[［【] ?({_ONE}(?: {{0,2}}[,،，、;–-] {{0,2}}{_ONE}){{0,20}}) ?"
    r"(?:†[^\[\]【】\n]{0,80})?[\]］】](?!\()"
)
"""`[1]`, `[1, 2]`, `[1-3]`, in any script's digits; not a Markdown link, nor a root."""
_NUMBERS = re.compile(rf"({_ONE})(?: {{0,2}}[–-] {{0,2}}({_ONE}))?")
LONGEST_RANGE = 20


class Citations(NamedTuple):
    """Numbers, each once, in the order in which the answer cites them first."""

    cited: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    """Of which there is no source."""


def places(answer: str) -> list[tuple[int, int, int]]:
    """Each number that is cited, with the start and the end of the brackets around it."""
    bare = _NO_WORDS.sub(lambda found: " " * len(found[0]), answer)
    return [
        (number, *brackets.span())
        for brackets in CITATION.finditer(bare)
        if not _explains(bare, *brackets.span())
        for number in _numbers(brackets[1])
    ]


def _explains(text: str, start: int, end: int) -> bool:
    """What a footnote says, or where a link leads: `[1]: …` in a line of its own."""
    return text[end : end + 1] == ":" and text[max(start - 1, 0) : start] in {"", "\n"}


def _numbers(text: str) -> Iterator[int]:
    for first, last in _NUMBERS.findall(text):
        start, stop = int(first), int(last or first)
        is_range = start < stop <= start + LONGEST_RANGE
        yield from range(start, stop + 1) if is_range else dict.fromkeys((start, stop))


def citations(answer: str, sources: Collection[int]) -> Citations:
    """What `answer` cites of the sources with these numbers, and what it cites beside them."""
    numbers = list(dict.fromkeys(number for number, _, _ in places(answer)))
    known = tuple(number for number in numbers if number in sources)
    return Citations(known, tuple(number for number in numbers if number not in sources))


def uncited(answer: str) -> str:
    """Without its citations: in another run the numbers are those of other sources."""
    kept, at = [], 0
    for start, end in dict.fromkeys(place[1:] for place in places(answer)):
        kept.append(answer[at:start].rstrip(" "))
        at = end
    return "".join([*kept, answer[at:]])
