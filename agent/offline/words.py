"""The words and signs of arithmetic, and a text cut into them. Pure: no IO."""

import re
from itertools import accumulate
from typing import NamedTuple

MAX_TEXT = 300
"""Characters. Nobody says a longer sum in words, and no text may cost more than this."""


class Word(NamedTuple):
    """A word, phrase or sign of arithmetic, what it means, and its place in the `clean` text."""

    kind: str
    value: str
    start: int = 0
    end: int = 0


_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_PARTS = ["half", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]

# kind -> what it means -> how it is said or written. The longest phrase wins.
VOCABULARY: dict[str, dict[str, str]] = {
    "operator": {
        "+": "+|plus|added to",
        "-": "-|−|–|negative",
        "minus": "minus",
        "*": "*|×|·|⋅|x|times|multiplied by",
        "/": "/|÷",
        "over": "over",
        "divided by": "divided by",
        "//": "//",
        "%": "mod|modulo|modulus",
        "**": "**|^|to the power of|to the power",
    },
    "power": {"2": "squared|²", "3": "cubed|³"},
    "bang": {"factorial": "!"},
    "percent": {"%": "%", "percent": "percent|per cent"},
    "degrees": {"180": "degrees|degree|°"},
    "function": {
        "sqrt": "square root|sqrt|root|√",
        "cbrt": "cube root|cubic root|cbrt|∛",
        "ln": "ln|natural log|natural logarithm",
        "log": "log|logarithm",
        "log2": "log2|log base 2|log base two|binary log|binary logarithm",
        "log10": "log10|log base 10|log base ten|decimal log|decimal logarithm",
        "exp": "exp|exponential",
        "sin": "sin|sine",
        "cos": "cos|cosine",
        "tan": "tan|tangent",
        "asin": "asin|arcsin|arcsine|inverse sine",
        "acos": "acos|arccos|arccosine|inverse cosine",
        "atan": "atan|arctan|arctangent|inverse tangent",
        "factorial": "factorial",
        "abs": "abs|absolute value",
        "floor": "floor",
        "ceil": "ceil|ceiling",
        "round": "round",
    },
    "change": {  # said before what it changes
        "** 2": "square",
        "** 3": "cube",
        "* 2": "double|twice",
        "* 3": "triple|thrice",
        "* 4": "quadruple",
        "/ 2": "halve",
    },
    "fold": {
        "+": "sum",
        "*": "product",
        "-": "difference",
        "/": "quotient",
        "average": "average|mean",
        "max": "max|maximum|largest|greatest|larger|greater",
        "min": "min|minimum|smallest|smaller",
        "gcd": "gcd|greatest common divisor",
        "lcm": "lcm|least common multiple",
    },
    "command": {
        "+": "add|increase",
        "-": "subtract|take away|decrease|reduce",
        "*": "multiply",
        "/": "divide",
    },
    "of": {"of": "of|between"},
    "join": {word: word for word in ("to", "by", "from", "with")},
    "and": {"and": "and|,"},
    "constant": {"pi": "pi|π", "tau": "tau|τ", "e": "e"},
    "open": {"(": "(|["},
    "close": {")": ")|]"},
    "that": {
        "that": "that|it|this|that number|this number|that result|result|your result|last result"
        "|previous result|answer|your answer|last answer|previous answer|ans"
    },
    "small": {
        **{str(n): word for n, word in enumerate(_UNITS)},
        **{str(n * 10): word for n, word in enumerate(_TENS, 2)},
    },
    "scale": {
        "12": "dozen",
        "100": "hundred",
        "1000": "thousand",
        "1000000": "million",
        "1000000000": "billion",
        "1000000000000": "trillion",
    },
    "point": {".": "point"},
    "part": {
        **{str(n): f"{word}|{word}s" for n, word in enumerate(_PARTS, 2)},
        "4": "quarter|quarters|fourth|fourths",
    },
    "ask": {
        "": "what is|what's|whats|what are|what does|what do|what will be|what would be|what would"
        "|what about|how about|how much is|how much are|how much does|calculate|compute|evaluate"
        "|work out|figure out|solve|find|take|tell me|give me|show me|can you|could you|would you"
        "|do you know|i want to know|i'd like to know|what do you get if you|what do i get if i"
        "|what if you|what if i|what happens if you"
    },
    "link": {"": "ok|okay|so|then|now|well|great|also|too|again|just|hello|hi|hey"},
    "end": {"": "=|equal|equals|equal to|is|is what|is equal to|be"},
    "noise": {
        "": "the|a|an|number|value of|result of|please|thanks|thank you|raise|raised|power|exactly"
    },
}

_MEANING = {
    phrase: (kind, value)
    for kind, meanings in VOCABULARY.items()
    for value, phrases in meanings.items()
    for phrase in phrases.split("|")
}


def _pattern(phrase: str) -> str:
    """A word ends where its letters end: `3x4` has a sign in it, `extra` has none."""
    if not phrase[-1].isalnum():
        return re.escape(phrase)
    return re.escape(phrase) + (r"(?![0-9])" if phrase[-1].isdigit() else r"(?![^\W\d_])")


_WORD = re.compile(
    r" ?(?:(?P<nth>[0-9]{1,3})(?:st|nd|rd|th)\b"
    r"|(?P<digits>(?!0[0-9])(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[+-]?[0-9]+)?)"
    rf"|(?P<phrase>{'|'.join(map(_pattern, sorted(_MEANING, key=len, reverse=True)))}))"
)
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_CALL = re.compile(r"[a-z0-9]\(")
_HYPHEN = re.compile(r"(?<=ty)-(?=[a-z])")
_DATE = re.compile(r"\b(?:[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4})\b")
_PUNCTUATION = " ?.,;:…!"
_CHUNK = r"[0-9a-z.+\-*/^×÷()]+"
_SPOKEN_OF = re.compile(rf"(?<=\bof )({_CHUNK})")
_SPOKEN_POWER = re.compile(rf"(?<![^ ])({_CHUNK})(?= (?:squared|cubed)\b)")


def cut(text: str) -> list[Word] | None:
    """All words of the `clean` text, or None if it holds anything that is not arithmetic."""
    words, place = [], 0
    while place < len(text):
        if not (found := _WORD.match(text, place)):
            return None
        kind = str(found.lastgroup)
        said = found[kind]
        meaning = _MEANING[said] if kind == "phrase" else (kind, said)
        words.append(Word(*meaning, found.start(kind), found.end()))
        place = found.end()
    return [word for word in words if word.kind != "noise"]


def clean(text: str) -> str:
    """The text in one spelling, or nothing if it is too long or a date."""
    if len(text) > MAX_TEXT or _DATE.search(text):
        return ""
    text = " ".join(text.casefold().replace("’", "'").split())
    text = _HYPHEN.sub(" ", _without_punctuation(text))
    if not _CALL.search(text):  # there a comma parts arguments
        text = _THOUSANDS.sub("", text)
    return _SPOKEN_POWER.sub(_as_one, _SPOKEN_OF.sub(_as_one, text))


def _without_punctuation(text: str) -> str:
    """Of what a sentence may end with, only the sign of a factorial is arithmetic."""
    bare = text.rstrip(_PUNCTUATION)
    is_factorial = bare[-1:].isdigit() or bare.endswith(")")
    return bare + "!" if is_factorial and text[len(bare) :] in {"!", "!?"} else bare


def _as_one(found: re.Match[str]) -> str:
    """What is written without spaces belongs together: the square root of 9+16, 2*3 squared."""
    chunk = found[0]
    depths = list(accumulate((sign == "(") - (sign == ")") for sign in chunk))
    whole = min(depths) >= 0 == depths[-1] and re.search(r"[-+*/^×÷]", chunk)
    return f"({chunk})" if whole else chunk
