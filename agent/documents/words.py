"""Text -> the terms that it is found by, in any language.

Words lose their case and their accents. Where words are not parted by spaces, every two
neighbouring characters are a term, and each alone. A long word is also known by its beginning,
which most of its forms share.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

STEM = 5
MAX_WORD = 40
MAX_TERMS = 64
"""Of a question."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"  # kana, Han
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"  # Hangul, more of Han
)
_MARKS = "\u0591-\u05bd\u064b-\u0652\u0900-\u0dff"  # vowels that are no letters
_TERM = re.compile(rf"([{_UNSPACED}]+)|((?:(?![{_UNSPACED}])[^\W_]|[{_MARKS}])+)")
_ACCENTS = re.compile("[\u0300-\u036f]")
_HIRAGANA = re.compile("[\u3040-\u309fー]+")
_KANA = re.compile("[\u3040-\u30ff]")


class Terms(NamedTuple):
    words: list[str]
    stems: list[str]


def folded(text: str) -> str:
    """Without case, width and accents. A voiced kana stays one."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", _ACCENTS.sub("", text))


def terms(text: str) -> Terms:
    """Of a passage."""
    words: list[str] = []
    stems: list[str] = []
    for run, word in _TERM.findall(folded(text)):
        if run:
            words += run
            words += _pairs(run)
        else:
            words.append(word[:MAX_WORD])
            stems.append(stem(word))
    return Terms(words, stems)


def asked(question: str) -> Terms:
    """Of a question: each once, without the words that say nothing about what is looked for."""
    every = list(_asked(question))
    telling = [word for word in every if word not in STOP and not _HIRAGANA.fullmatch(word)]
    words = list(dict.fromkeys(telling or every))[:MAX_TERMS]
    spaced = [word for word in words if not re.match(f"[{_UNSPACED}]", word)]
    return Terms(words, list(dict.fromkeys(map(stem, spaced))))


def stem(word: str) -> str:
    """The beginning of a word, and of a short one all but a plural's `s`."""
    beginning = word[:STEM]
    return beginning if beginning.endswith("ss") else beginning.removesuffix("s") or word


def _asked(question: str) -> Iterator[str]:
    for run, word in _TERM.findall(folded(question)):
        if run:
            yield from _pairs(run)
            yield from _KANA.sub("", run)  # a sign that means something stands alone, too
        else:
            yield word[:MAX_WORD]


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


_STOP_WORDS = """
a about after all also an and any are as at be because been but by can could did do does for from
had has have he her his how i if in into is it its just many may me more most much my need no not of
on one or our out please s she should so some tell than that the their them then there these they
this to up us was we were what when where which who whom whose why will with would you your
aber als am an auch auf aus bei bin bis bist da dann das dass dem den der des die dies diese doch
du ein eine einem einen einer eines er es fur gibt hat haben hier ich ihr ihre im in ist ja kann
kein keine man mein mich mir mit muss nach nicht noch nur oder sein seine sich sie sind so soll
uber um und uns unser viel viele vom von vor wann war warum was welche welchem welchen welcher
welches wer werden wie wieviel wir wird wo wurde zu zum zur
au aux avec c ce ces cette combien comment d dans de des dois doit donc du elle en es est et etre
faut fait il ils j je l la le les leur leurs ma mais mes moi mon n ne nos notre nous on ont ou par
pas peut plus pour pourquoi qu quand que quel quelle quelles quels qui quoi sa se ses si son sont
sur ta te tu un une vos votre vous y a t
al como con cual cuales cuando cuanto cuantos de del donde el ella ellos en entre es esta este
hay la las lo los me mi muy no o para pero por porque que quien se ser si sin son su sus tiene un
una y ya che chi come cosa cui dei della delle di dove e gli ha il io le lo ma nel non per piu
quale quando quanto sono sul tra um uma os as ao da dos das em foi mais nao na nos ou pelo quais
qual quem sao ser seu sua tem aan dat de een er het hoe ik in is je kan met naar niet of om ook op
te van voor waar wat welke wie zijn
"""


STOP = frozenset(folded(_STOP_WORDS).split())
