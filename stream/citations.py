"""Which sources an answer cites. Pure: a citation is read, never made up."""

import re
from collections.abc import Collection
from typing import NamedTuple

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
CITATION = re.compile(r"[\[［【]([0-9]{1,3}(?:[,，、;] ?[0-9]{1,3}){0,20})[\]］】](?![(:])")
"""`[1]`, `[1, 2]` and the same in brackets of full width; not a Markdown link or footnote."""
_NUMBER = re.compile("[0-9]+")


class Citations(NamedTuple):
    """Numbers, each once, in the order in which the answer cites them first."""

    cited: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    """Of which there is no source."""


def places(answer: str) -> list[tuple[int, int, int]]:
    """Each number that is cited, with the start and the end of the brackets around it."""
    bare = _CODE.sub(lambda code: " " * len(code[0]), answer)
    return [
        (int(number), *brackets.span())
        for brackets in CITATION.finditer(bare)
        for number in _NUMBER.findall(brackets[1])
    ]


def citations(answer: str, sources: Collection[int]) -> Citations:
    """What `answer` cites of the sources with these numbers, and what it cites beside them."""
    numbers = list(dict.fromkeys(number for number, _, _ in places(answer)))
    known = tuple(number for number in numbers if number in sources)
    return Citations(known, tuple(number for number in numbers if number not in sources))
