"""Which sources an answer cites. Pure: a citation is read, never made up."""

import re
from collections.abc import Collection
from typing import NamedTuple

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
# `[1]`, `[1, 2]` and the same in brackets of full width; not a Markdown link or footnote.
_CITATION = re.compile(r"[\[［【]([0-9]{1,3}(?:[,，、;] ?[0-9]{1,3}){0,20})[\]］】](?![(:])")
_NUMBER = re.compile("[0-9]+")
MAX_NUMBERS = 1000


class Citations(NamedTuple):
    """Numbers, each once, in the order in which the answer cites them first."""

    cited: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    """Of which there is no source."""


def citations(answer: str, sources: Collection[int]) -> Citations:
    """What `answer` cites of the sources with these numbers, and what it cites beside them."""
    found = (
        int(number)
        for each in _CITATION.finditer(_CODE.sub(" ", answer))
        for number in _NUMBER.findall(each[1])
    )
    numbers = list(dict.fromkeys(found))[:MAX_NUMBERS]
    known = tuple(number for number in numbers if number in sources)
    return Citations(known, tuple(number for number in numbers if number not in sources))
