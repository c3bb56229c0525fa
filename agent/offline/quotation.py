"""A passage's sentences, and how one is quoted: in the document's own words. Pure: no IO."""

import re
from collections.abc import Iterator

from agent.documents.splitting import sentences
from stream.citations import CITATION

LONGEST_QUOTE = 400
JOINER = "\u2060"
"""It is not seen, and what it stands in is no longer read as a mark."""

_MONTH = (
    "(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez)(?:uar|ruar|z|il|i|ust|tember|ober"
    r"|ember)?\b|Jänner\b"
)
_NUMBERED = re.compile(rf"^[ \t]*([0-9]{{1,3}})[.)][ \t]+(?!{_MONTH})", re.MULTILINE)
_MARK = re.compile(r"[ \t]*(?:[-*+|]|#+|>(?![ \t]*[0-9])|([0-9]{1,3})[.)])[ \t]+")
# "12. März", "am 3. und 4. Mai", "im 2. Stock"
_ORDINAL = re.compile(
    r"(\b(?:am|im|vom|zum|zur|ab|bis|seit|der|die|das|dem|den|des)\s+)?\b[0-9]{1,2}\.\s+$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(rf"[a-zäöü]|{_MONTH}")
_UNSPACED_ENDS = ("。", "！", "？", "」", "』", "）")
_CODE = "`[^`]*`"
_STRONG = re.compile(
    rf"{_CODE}|(?<!\w)(?P<mark>\*\*|__(?![a-z0-9_]+__))(?=\S)"
    rf"(?P<text>(?:{_CODE}|[^`])+?)(?<=\S)(?P=mark)(?!\w)"
)
_FENCE = re.compile(r"(`|~)\1{2,}")
_FENCE_LINE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[ \t]*\w*[ \t]*$")
_RULED = re.compile(r"[ \t|:+=_*-]*-{3,}[ \t|:+=_*-]*$")
"""Below the head of a table, or between two parts of a page."""
_CODE_OR_CITATION = re.compile(f"{_CODE}|(?:{CITATION.pattern})")


def sentences_of(passage: str) -> Iterator[str]:
    """The lines that a sentence was wrapped into are one; the marks of lists are left out."""
    for line in _lines(passage):
        yield from filter(_says_something, _rejoined(sentences(line)))


def bare(*sentences: str) -> str:
    """In one line, without marks that would mean something else in an answer."""
    text = "".join(map(_short, sentences)).rstrip()
    text = _STRONG.sub(lambda found: found["text"] or found[0], _FENCE.sub(r"\1", text))
    return _CODE_OR_CITATION.sub(_uncited, text)


def _short(sentence: str) -> str:
    """With a space behind it where spaces are written."""
    text = " ".join(sentence.split())
    text = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
    return text if text.endswith(_UNSPACED_ENDS) else f"{text} "


def _lines(passage: str) -> list[str]:
    numbers = {int(number) for number in _NUMBERED.findall(passage)}
    listed = {number for number in numbers if {number - 1, number + 1} & numbers}
    lines, is_code = [""], False
    for line in passage.splitlines():
        if _RULED.match(line):
            lines.append("")
        elif _FENCE_LINE.match(line):
            is_code = not is_code
            lines.append("")
        elif is_code:
            lines += [line, ""]
        else:
            _wrap(lines, line, listed)
    return lines


def _wrap(lines: list[str], line: str, listed: set[int]) -> None:
    """Goes on with the last line, unless something new begins."""
    unmarked = _unmarked(line, listed)
    if lines[-1] and unmarked and unmarked == line.lstrip():
        lines[-1] += f" {unmarked}"
    else:
        lines.append(unmarked)


def _unmarked(line: str, listed: set[int]) -> str:
    """Without marks of lists, quotes, headings, tables. A number alone may begin a sentence."""
    while (mark := _MARK.match(line)) and (mark[1] is None or int(mark[1]) in listed):
        line = line[mark.end() :]
    return line.lstrip()


def _rejoined(pieces: Iterator[str]) -> Iterator[str]:
    """An ordinal number's point ends no sentence."""
    text = ""
    for piece in pieces:
        number = _ORDINAL.search(text)
        if text and not (number and (number[1] or _GOES_ON.match(piece))):
            yield text
            text = ""
        text += piece
    yield text


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))


def _uncited(found: re.Match[str]) -> str:
    """Numbers in brackets would pass for our citations, `a[0]` only to a machine."""
    text = found[0]
    if text.startswith("`"):
        return text
    before = found.string[: found.start()][-1:]
    if text[0] == "[" and (before.isalnum() or before in {"_", ")", "]"}):
        return f"[{JOINER}{text[1:]}"
    return f"({text[1:-1]})"
