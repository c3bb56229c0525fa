"""Answers out of documents, as far as rules can: sentences that are quoted. Pure: no IO."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from agent.documents.splitting import sentences
from agent.documents.words import Terms, asked, stem, terms
from agent.tools.search import MAX_QUESTION, Told, read
from stream.citations import CITATION

NOT_FOUND = "I found nothing about that in the documents."
QUOTING = "This is what the documents say:"
LEAST = 0.34
"""The part of a question's words that a passage must hold to be an answer."""
MOST_QUOTES, LONGEST_QUOTE = 3, 400

_REFERS = re.compile(
    r"^\W*(?:and|und|et|y|e|what about|how about|was ist mit|et pour|what if)\b"
    r"|\b(?:it|its|they|them|their|there|those|these|es|dort|dafür|davon|damit|darin|ihn|ihm)\b"
    r"|それ|その|そこ|它|那里|那儿|呢[？?]?$",
    re.IGNORECASE,
)
_WRAP = re.compile(r"\n(?![-*+>|#\n]|[0-9]+[.)])")
_MARKUP = re.compile(r"^(?:\s*(?:[-*+>|]|#+|[0-9]+[.)])\s+)+|\*\*|__")


class _Quote(NamedTuple):
    weight: float
    number: int
    text: str


def whole(earlier: Sequence[str], said: str) -> str:
    """A question with what it leaves to the conversation."""
    parts = [said]
    for before in reversed(earlier):
        if not (_REFERS.search(parts[-1]) or len(asked(parts[-1]).words) < 2):
            break
        parts.append(before)
    return " ".join(reversed(parts))[-MAX_QUESTION:]


def quoting(question: str, result: str) -> str:
    """The sentences of a search's result that have most of the question's words."""
    passages = [told for told in read(result) if _held(question, told) >= LEAST]
    quotes = _quotes(question, passages)
    if not quotes:
        return NOT_FOUND
    return "\n\n".join([QUOTING, *(f'"{quote.text}" [{quote.number}]' for quote in quotes)])


def _quotes(question: str, passages: Sequence[Told]) -> list[_Quote]:
    """The best sentences; the first ones where it was the heading that had the words."""
    told = [
        (each.number, sentence)
        for each in passages
        for sentence in sentences(_WRAP.sub(" ", each.text))
    ]
    wanted = _all(question, asked)
    held = [wanted & _all(text) for _, text in told]
    having = Counter(each for words in held for each in words)
    weights = {each: math.log(1 + len(told) / n) for each, n in having.items()}
    quotes = [
        _Quote(sum(weights[each] for each in words), number, _bare(text))
        for (number, text), words in zip(told, held, strict=True)
    ]
    best = sorted(quotes, key=lambda quote: -quote.weight)[:MOST_QUOTES]
    return [each for each in best if each.text and each.weight >= 0.6 * best[0].weight]


def _held(question: str, told: Told) -> float:
    """A word counts, too, if only its beginning is there."""
    wanted, there = asked(question).words, _all(f"{told.title} {told.text}")
    held = sum(word in there or f"{stem(word)}-" in there for word in wanted)
    return held / max(len(wanted), 1)


def _all(text: str, of: Callable[[str], Terms] = terms) -> set[str]:
    words, stems = of(text)
    return {*words, *(f"{stem}-" for stem in stems)}


def _bare(sentence: str) -> str:
    """In one line, without marks of lists; numbers in brackets would pass for our citations."""
    text = CITATION.sub(r"(\1)", _MARKUP.sub("", " ".join(sentence.split())))
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
