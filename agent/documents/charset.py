"""The bytes of a web page -> text, in the encoding that a browser would take it for.

What a page calls its encoding is a label, and often of a smaller set than what it is written in.
The table is that of WHATWG's Encoding Standard, where it differs from Python's own names.
"""

import codecs
import re

from agent.documents.block import Unreadable
from agent.documents.plain import decoded

_DECLARED = re.compile(
    rb"""<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,100}?encoding)\s*=\s*["']?([\w:.-]{1,40})""",
    re.IGNORECASE,
)
_HEAD = 2048
"""Bytes in which a page says what it is written in."""
_LABELS = {
    "cp1252": "ascii us-ascii latin1 latin-1 l1 iso-8859-1 iso8859-1 iso_8859-1 x-cp1252 ansi",
    "cp1254": "latin5 iso-8859-9 iso8859-9 iso_8859-9",
    "cp874": "tis-620 iso-8859-11 windows-874",
    "gb18030": "gb2312 gb_2312-80 gbk x-gbk chinese",
    "big5hkscs": "big5 big5-hkscs x-x-big5",
    "cp932": "shift_jis shift-jis sjis x-sjis ms_kanji windows-31j",
    "euc_jp": "x-euc-jp",
    "cp949": "euc-kr ks_c_5601-1987 korean",
    "utf-8-sig": "utf-8 utf8 unicode-1-1-utf-8 utf-16 utf-16le utf-16be",
}
_NAMES = {label: name for name, labels in _LABELS.items() for label in labels.split()}
_SHIFTED = ("iso2022_jp", "hz")
"""Written in bytes that are UTF-8, too, and mean something else there."""


def page(data: bytes) -> str:
    """UTF-8 if it is that, whatever it says; else as it says. Raises `Unreadable`."""
    name = _declared(data)
    if name in _SHIFTED:
        return decoded(data, name)
    try:
        return decoded(data)
    except Unreadable:
        if name is None:
            raise
        return decoded(data, name)


def _declared(data: bytes) -> str | None:
    if not (found := _DECLARED.search(data[:_HEAD])):
        return None
    label = found[1].decode("ascii").lower()
    try:
        return _NAMES.get(label) or codecs.lookup(label).name
    except LookupError:
        return label
