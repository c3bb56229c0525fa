"""Answers out of documents, as far as rules can: sentences that are quoted. Pure: no IO."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from agent.documents.words import Terms, asked, stem, terms
from agent.offline.quotation import bare, sentences_of
from agent.tools.search import MAX_QUESTION, NOTHING, Told, read

NOT_FOUND = "I found nothing about that in the documents."
FAILED = "I couldn't look that up: the search failed."
QUOTING = "This is what the documents say:"
LEAST = 0.34
"""The part of a question's words that a passage must hold to be an answer."""
MOST_QUOTES = 3

_THERE_IS = re.compile(
    r"\b(?:is|are|was|were|will) there\b|\bthere(?:['’]s| is| are| was| were| will)\b"
    r"|\b(?:gibt|gab) es\b|\bes (?:gibt|gab)\b|\by a-t-il\b|\bil y a\b|\bhay\b",
    re.IGNORECASE,
)
"""Whether something exists: here `there`, `es`, `y` stand for nothing that was said."""
_REFERS = re.compile(
    r"^\W*(?:and|und|et|y|e|what about|how about|was ist mit|et pour|what if)\b"
    r"|\b(?:it|its|they|them|their|there|those|these|es|dort|dafür|davon|damit|darin|ihn|ihm)\b"
    r"|それ|その|そこ|它|那里|那儿|呢[？?]?$",
    re.IGNORECASE,
)
_TELLING = "0x0"


class _Quote(NamedTuple):
    weight: tuple[float, float]
    """Of the words of what was said, then of all words of the query."""
    number: int
    text: str


def whole(earlier: Sequence[str], said: str) -> str:
    """A question, and behind it what it leaves to the conversation."""
    parts = [said[-MAX_QUESTION:]]
    for before in reversed(earlier):
        if not _leaves_out(parts[-1]):
            break
        parts.append(before)
    return " ".join(parts)[:MAX_QUESTION]


def _leaves_out(question: str) -> bool:
    rest, existence = _THERE_IS.subn(" ", question)
    return bool(_REFERS.search(rest)) or len(_telling(rest)) < (1 if existence else 2)


def _telling(text: str) -> list[str]:
    """Its words that say what is looked for; of a text without any, `asked` gives them all."""
    return asked(f"{_TELLING} {text}").words[1:]


def quoting(query: str, result: str, said: str = "") -> str:
    """The sentences of a search's result that have most of the words of what was said.

    What a follow-up only refers to is in the `query`: it found the passage, but it is no answer.
    """
    passages = read(result)
    if not passages and result.strip() != NOTHING:
        return FAILED
    question = _current(query, said)
    quotes = _quotes(question, query, [each for each in passages if _held(question, each) >= LEAST])
    if not quotes:
        return NOT_FOUND
    return "\n\n".join([QUOTING, *(f'"{bare(each.text)}" [{each.number}]' for each in quotes)])


def _current(query: str, said: str) -> str:
    """What was said last, of a query that holds it."""
    telling = _telling(_REFERS.sub(" ", said))
    return " ".join(telling) if telling and {*telling} <= {*asked(query).words} else query


def _quotes(question: str, query: str, passages: Sequence[Told]) -> list[_Quote]:
    """The best sentences; the first ones where it was the heading that had the words."""
    told = [(each.number, text) for each in passages for text in sentences_of(each.text)]
    held = [_all(text) for _, text in told]
    weights = _weights(_all(query, asked), held)
    wanted = _all(question, asked)
    quotes = [
        _Quote((_sum(weights, words & wanted), _sum(weights, words)), number, text)
        for (number, text), words in zip(told, held, strict=True)
    ]
    best = sorted(quotes, key=lambda quote: quote.weight, reverse=True)[:MOST_QUOTES]
    return [each for each in best if each.weight[0] >= 0.6 * best[0].weight[0]]


def _weights(wanted: set[str], held: Sequence[set[str]]) -> dict[str, float]:
    """The rarer a word is in what was found, the more it tells."""
    having = Counter(each for words in held for each in words & wanted)
    return {each: math.log(1 + len(held) / n) for each, n in having.items()}


def _sum(weights: dict[str, float], words: set[str]) -> float:
    return math.fsum(weights[each] for each in words & weights.keys())


def _held(question: str, told: Told) -> float:
    """A word counts, too, if only its beginning is there."""
    wanted, there = asked(question).words, _all(f"{told.title} {told.text}")
    held = sum(word in there or f"{stem(word)}-" in there for word in wanted)
    return held / max(len(wanted), 1)


def _all(text: str, of: Callable[[str], Terms] = terms) -> set[str]:
    words, stems = of(text)
    return {*words, *(f"{stem}-" for stem in stems)}
