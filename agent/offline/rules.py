"""What the offline model says: a conversation in, an intention out. Pure: no IO, no format."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from agent.offline import small_talk
from agent.offline.arithmetic import understand
from agent.offline.lookup import quoting, whole

CONNECT = (
    "To talk to a real model, set `OPENAI_API_KEY`, or `OPENAI_BASE_URL` for a compatible server, "
    "or `LASTWORD_MODEL=provider:name`, and start the server again."
)
WHAT_I_AM = "Lastword's built-in offline model: a set of rules, not a language model"
# What it says is ASCII, so that a client may decode it byte by byte, as the tutorial's does.
CAN_CALCULATE = 'I can calculate (try "15% of 240" or "the square root of 71") and'
NO_CALCULATOR = (
    "I can't compute that: I have no calculator here, and without one I would be guessing."
)
NO_RESULT_YET = "There is no result yet that I could go on from. What should I start with?"
NO_MORE_CALLS = "I can't compute that: I may not use my calculator again for this question."
NO_MORE_SEARCHES = "I can't look that up: I may not search again for this question."
LONGEST_QUOTE = 200


class ToolCall(NamedTuple):
    """The intention to use a tool."""

    name: str
    input: str


class Answer(NamedTuple):
    """The intention to answer the user."""

    text: str


Intention: TypeAlias = ToolCall | Answer


class Exchange(NamedTuple):
    """What the user said, and what the answer was."""

    said: str
    answer: str


class Conversation(NamedTuple):
    """What can be read from a prompt."""

    earlier: Sequence[Exchange] = ()
    said: str = ""
    calculator: str | None = None
    """The name it has in the prompt, if it is there."""
    call: ToolCall | None = None
    """The tool call that was made for what was said, and what the tool returned."""
    result: str = ""
    must_answer: bool = False
    """No more tool calls for what was said."""
    search: str | None = None
    """The name that the search tool has in the prompt, if it is there."""


Responder: TypeAlias = Callable[[Conversation, re.Match[str]], str]


def decide(talk: Conversation) -> Intention:
    """What to do next: use a tool, or answer."""
    if talk.call and talk.call.name == talk.search:
        return Answer(quoting(talk.call.input, talk.result, talk.said))
    if talk.call:
        return Answer(_report(talk, talk.call))
    return _compute(talk) or _converse(talk) or _look_up(talk) or Answer(_unknown(talk))


def _look_up(talk: Conversation) -> Intention | None:
    if talk.search is None:
        return None
    if talk.must_answer:
        return Answer(NO_MORE_SEARCHES)
    return ToolCall(talk.search, whole([each.said for each in talk.earlier], talk.said))


# Arithmetic

_NUMBER = r"-?[0-9][0-9,]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
_RESULT = re.compile(rf"(?:\bis|=|≈|\babout|\bapproximately) \**({_NUMBER})\**[.!]?$")


def _compute(talk: Conversation) -> Intention | None:
    last = _last_result(talk)
    wanted = understand(talk.said, last)
    if not wanted:
        return None
    if wanted.refers and last is None:
        return Answer(NO_RESULT_YET)
    if not talk.calculator:
        return Answer(NO_CALCULATOR)
    if talk.must_answer:
        return Answer(NO_MORE_CALLS)
    return ToolCall(talk.calculator, wanted.expression)


def _report(talk: Conversation, call: ToolCall) -> str:
    """The user's own words where they left no doubt, otherwise how they were understood."""
    result = talk.result.strip()
    if not re.fullmatch(_NUMBER, result):
        return f"I couldn't compute that. My calculator says: {_quoted(result)}"
    wanted = understand(talk.said, _last_result(talk))
    if wanted and wanted.phrase:
        return f"{wanted.phrase[0].upper()}{wanted.phrase[1:]} is {result}."
    return f"{call.input.replace(' ** ', '^')} = {result}."


def _last_result(talk: Conversation) -> str | None:
    """The number that the last answer with a result ended in."""
    found = (_RESULT.search(exchange.answer) for exchange in reversed(talk.earlier))
    return next((match[1].replace(",", "") for match in found if match), None)


# Talk


def _converse(talk: Conversation) -> Answer | None:
    rules = small_talk.ALONE if talk.search else small_talk.ANYWHERE
    found = ((pattern.search(talk.said), about) for about, pattern in rules.items())
    said = next(((match, about) for match, about in found if match), None)
    return Answer(_RESPONDERS[said[1]](talk, said[0])) if said else None


def _unknown(talk: Conversation) -> str:
    return f"I can't answer that. I'm {WHAT_I_AM}. {_abilities(talk)} {CONNECT}"


def _introduce(talk: Conversation, _: re.Match[str]) -> str:
    return f"I'm {WHAT_I_AM}. {_abilities(talk)} I know nothing about the world. {CONNECT}"


def _abilities(talk: Conversation) -> str:
    can = CAN_CALCULATE if talk.calculator else "I can't even calculate here, but I can"
    if talk.search:
        can = f"I can quote from the documents that I was given. Also, {can}"
    return f"{can} remember what you told me in this conversation."


def _connect(_talk: Conversation, _: re.Match[str]) -> str:
    return CONNECT


def _greet(talk: Conversation, greeting: re.Match[str]) -> str:
    name = _name(talk)
    hello = greeting[1].capitalize() + (f", {name}" if name else "")
    return f"{hello}! I'm {WHAT_I_AM}. {_abilities(talk)}"


def _meet(_: Conversation, name: re.Match[str]) -> str:
    return f"Nice to meet you, {_named(name)}! I'll remember your name in this conversation."


def _recall_name(talk: Conversation, _: re.Match[str]) -> str:
    name = _name(talk)
    return f"Your name is {name}." if name else "I don't know: you haven't told me your name yet."


def _recall_question(talk: Conversation, _: re.Match[str]) -> str:
    said = [exchange.said for exchange in talk.earlier if exchange.said]
    if not said:
        return "Nothing before this, as far as I can see."
    return f'You said: "{_quoted(said[0 if "first" in talk.said.casefold() else -1])}"'


def _recall_answer(talk: Conversation, _: re.Match[str]) -> str:
    answers = [exchange.answer for exchange in talk.earlier if exchange.answer]
    return answers[-1] if answers else "I haven't answered anything yet."


def _thank(_talk: Conversation, _: re.Match[str]) -> str:
    return "You're welcome!"


def _leave(talk: Conversation, _: re.Match[str]) -> str:
    name = _name(talk)
    return f"Goodbye, {name}!" if name else "Goodbye!"


def _feel(_talk: Conversation, _: re.Match[str]) -> str:
    return "I'm a set of rules, so I don't feel anything, but I'm running well. What can I compute?"


def _name(talk: Conversation) -> str:
    told = (small_talk.NAME.search(exchange.said) for exchange in reversed(talk.earlier))
    return next((_named(name) for name in told if name), "")


def _named(name: re.Match[str]) -> str:
    return str(name[1] or name[2])


def _quoted(text: str) -> str:
    quote = " ".join(text.split())
    return quote if len(quote) <= LONGEST_QUOTE else quote[:LONGEST_QUOTE] + "..."


_RESPONDERS: dict[str, Responder] = {
    "name": _recall_name,
    "meet": _meet,
    "question": _recall_question,
    "answer": _recall_answer,
    "connect": _connect,
    "introduce": _introduce,
    "feel": _feel,
    "thank": _thank,
    "leave": _leave,
    "greet": _greet,
}
