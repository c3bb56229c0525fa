"""Text -> the terms that it is found by, in any language.

Words lose what only some write (`agent.documents.folding`). Where words are not parted by spaces,
every two neighbouring characters are a term, and each alone. A long word is also known by its
beginning, which most of its forms share.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from agent.documents.folding import folded
from agent.documents.stop_words import STOP, names

STEM = 5
MAX_WORD = 40
MAX_TERMS = 64
"""Of a question."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"  # kana, Han
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"  # Hangul, more of Han
)
_MARKS = "\u0900-\u0963\u0966-\u0dff"  # of India: vowels that are no letters
_TERM = re.compile(rf"([{_UNSPACED}]+)|((?:[^\W_{_UNSPACED}]|[{_MARKS}])+)")
_KANA = re.compile("[\u3040-\u30ff]")
_LETTER = rf"[^\W\d_{_UNSPACED}]"
_HYPHENATED = re.compile(rf"(?<!{_LETTER}){_LETTER}++(?:[-‐]\n?{_LETTER}++)+")
_HYPHEN = re.compile(r"[-‐]\n?")
_WRITTEN_ONTO = re.compile("(?:[وفبك]?ال|لل|و)+(?=..)|ו?ה(?=...)")
"""Articles and conjunctions, in Arabic and Hebrew."""


class Terms(NamedTuple):
    words: list[str]
    stems: list[str]


def terms(text: str) -> Terms:
    """Of a passage."""
    words: list[str] = []
    stems: list[str] = []
    for run, word in _found(folded(text)):
        if run:
            words += run
            words += _pairs(run)
        else:
            words.append(word[:MAX_WORD])
            stems.append(stem(word))
    return Terms(words, stems)


def asked(question: str) -> Terms:
    """Of a question: each once, without the words that say nothing about what is looked for."""
    every, named = list(_asked(question)), {*names(question)}
    telling = [word for word in every if word not in STOP or word in named]
    words = list(dict.fromkeys(telling or every))[:MAX_TERMS]
    spaced = [word for word in words if not re.match(f"[{_UNSPACED}]", word)]
    return Terms(words, list(dict.fromkeys(map(stem, spaced))))


def stem(word: str) -> str:
    """The beginning of a word, and of a short one all but a plural's `s`."""
    if onto := _WRITTEN_ONTO.match(word):
        word = word[onto.end() :]
    beginning = word[:STEM]
    return beginning if beginning.endswith("ss") else beginning.removesuffix("s") or word


def _found(text: str) -> Iterator[tuple[str, str]]:
    """Runs of characters, and words; those with hyphens as one word, too."""
    yield from _TERM.findall(text)
    for joined in _HYPHENATED.findall(text):
        yield "", _HYPHEN.sub("", joined)


def _asked(question: str) -> Iterator[str]:
    for run, word in _found(folded(question)):
        if run:
            yield from _pairs(run)
            yield from _KANA.sub("", run)  # a sign that means something stands alone, too
        else:
            yield word[:MAX_WORD]


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]
