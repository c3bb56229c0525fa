"""Which sentences of passages answer a question. Pure: no IO."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from agent.documents.words import Terms, asked, stem, terms
from agent.offline.quotation import sentences_of
from agent.tools.search import Told

MOST = 3
_HIRAGANA = re.compile("[\u3040-\u309f]")


class _Sentence(NamedTuple):
    passage: Told
    text: str
    weight: tuple[float, float]
    """Of the words of what was said, then of all words of the query."""


def chosen(question: str, query: str, passages: Sequence[Told]) -> list[tuple[int, list[str]]]:
    """The best sentences, by their passages' numbers; those that follow each other together.

    They are the first ones where it was the heading that had the words.
    """
    told = _weighed(question, query, passages)
    best = sorted(range(len(told)), key=lambda at: told[at].weight, reverse=True)[:MOST]
    best = [at for at in best if told[at].weight[0] >= 0.6 * told[best[0]].weight[0]]
    if best and held(question, f"{told[best[0]].passage.title} {told[best[0]].text}") < 1:
        best += [_beside(told, at) for at in best]  # where the rest of the answer may stand
    runs = [[told[at] for at in run] for run in _runs(told, best)]
    runs.sort(key=lambda run: max(each.weight for each in run), reverse=True)
    return [(run[0].passage.number, [each.text for each in run]) for run in runs]


def _beside(told: Sequence[_Sentence], at: int) -> int:
    """The sentence after one in its passage, or before it if it is the last."""
    places = [place for place in (at + 1, at - 1) if 0 <= place < len(told)]
    return next((place for place in places if told[place].passage is told[at].passage), at)


def _runs(told: Sequence[_Sentence], places: Iterable[int]) -> Iterator[list[int]]:
    """Places that follow each other in one passage."""
    every = enumerate(sorted(set(places)))
    for _, run in groupby(every, lambda each: (each[1] - each[0], told[each[1]].passage.number)):
        yield [place for _, place in run]


def held(question: str, text: str) -> float:
    """The part of a question's words that a text has, at least their beginnings.

    Of Japanese, the signs that mean something: what is between them changes with the grammar.
    """
    words, there = asked(question).words, _all(text)
    wanted = [word for word in words if not _HIRAGANA.search(word)] or words
    found = sum(word in there or f"{stem(word)}-" in there for word in wanted)
    return found / max(len(wanted), 1)


def _weighed(question: str, query: str, passages: Sequence[Told]) -> list[_Sentence]:
    told = [(each, text) for each in passages for text in sentences_of(each.text)]
    having = [_all(text) for _, text in told]
    weights = _weights(_all(query, asked), having)
    wanted = _all(question, asked)
    return [
        _Sentence(passage, text, (_sum(weights, words & wanted), _sum(weights, words)))
        for (passage, text), words in zip(told, having, strict=True)
    ]


def _weights(wanted: set[str], told: Sequence[set[str]]) -> dict[str, float]:
    """The rarer a word is in what was found, the more it tells."""
    having = Counter(each for words in told for each in words & wanted)
    return {each: math.log(1 + len(told) / n) for each, n in having.items()}


def _sum(weights: dict[str, float], words: set[str]) -> float:
    return math.fsum(weights[each] for each in words & weights.keys())


def _all(text: str, of: Callable[[str], Terms] = terms) -> set[str]:
    words, stems = of(text)
    return {*words, *(f"{stem}-" for stem in stems)}
