"""Answers out of documents, as far as rules can: sentences that are quoted. Pure: no IO."""

import re
from collections.abc import Sequence

from agent.documents.words import asked
from agent.offline.choosing import chosen, held
from agent.offline.quotation import bare
from agent.tools.search import LATER, MAX_QUESTION, NOTHING, read

NOT_FOUND = "I found nothing about that in the documents."
NOT_NOW = "I can't look that up yet: the documents are still being read. Ask again in a moment."
FAILED = "I couldn't look that up: the search failed."
QUOTING = "This is what the documents say:"
LEAST = 0.34
"""The part of a question's words that a passage must hold to be an answer."""

_THERE_IS = re.compile(
    r"\b(?:is|are|was|were|will) there\b|\bthere(?:['’]s| is| are| was| were| will)\b"
    r"|\b(?:gibt|gab) es\b|\bes (?:gibt|gab)\b|\by a-t-il\b|\bil y a\b|\bhay\b",
    re.IGNORECASE,
)
"""Whether something exists: here `there`, `es`, `y` stand for nothing that was said."""
_REFERS = re.compile(
    r"^\W*(?:and|und|et|y|e|what about|how about|was ist mit|et pour|what if)\b"
    r"|\b(?:(?-i:[Ii]t)|its|they|them|their|there|those|these|es|dort|dafür|davon|damit|darin|ihn|ihm)\b"
    r"|それ|その|そこ|它|那里|那儿|呢[？?]?$",
    re.IGNORECASE,
)
_TELLING = "0X0"


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
    if result.strip() == LATER:
        return NOT_NOW
    if not passages and result.strip() != NOTHING:
        return FAILED
    question = _current(query, said)
    about = [each for each in passages if held(question, f"{each.title} {each.text}") >= LEAST]
    quotes = chosen(question, query, about)
    if not quotes:
        return NOT_FOUND
    return "\n\n".join([QUOTING, *(f'"{bare(*texts)}" [{number}]' for number, texts in quotes)])


def _current(query: str, said: str) -> str:
    """What was said last, of a query that holds it."""
    rest = _REFERS.sub(" ", said)
    telling = _telling(rest)
    return rest if telling and {*telling} <= {*asked(query).words} else query
