"""One way of writing for all that readers take for the same word."""

import re
import unicodedata

_UNREAD = re.compile(
    "[\u0300-\u036f"  # accents
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew vowels
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc"  # Arabic ones, letters drawn long
    "\u00ad\u200b-\u200f\u2060\ufeff]"  # where a line may break, and what joins or parts letters
)
_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ı": "i"}
    | {"ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ہ": "ه", "ھ": "ه", "ٱ": "ا"}
)
"""Letters that many write as others, but Unicode knows nothing of it."""
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")


def folded(text: str) -> str:
    """Without case, width, accents and vowels that may be left out. A voiced kana stays one."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    text = _FOREIGN_DIGIT.sub(lambda digit: str(int(digit[0])), _UNREAD.sub("", text))
    return unicodedata.normalize("NFC", text)
