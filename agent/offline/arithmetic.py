"""Arithmetic in plain words -> an expression for the calculator. Pure: no IO.

Only a text that was understood to its last word becomes an expression: guessing
at the rest would compute something that nobody asked for.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import NamedTuple

from agent.offline.words import Word, clean, cut

MAX_DEPTH = 32
NO_RESULT = "0"
"""Stands for "that" where there is no earlier result."""

ADDED, MULTIPLIED, SIGNED, RAISED, ATOM = 1, 2, 3, 4, 5
RANKS = {"+": ADDED, "-": ADDED, "**": RAISED} | dict.fromkeys(("*", "/", "//", "%"), MULTIPLIED)
SPOKEN_SIGNS = {"minus": "-", "over": "/", "divided by": "/"}
UNWRITTEN_SIGNS = {"open": "*", "constant": "*", "function": "*", "percent": "%"}
JOINS = {  # "add 3 to 4", "subtract 3 from 4", "multiply 3 by 4", "divide 3 by 4"
    "+": {"to", "and", "by", "with"},
    "-": {"from", "by"},
    "*": {"by", "with", "and"},
    "/": {"by"},
}


class Sum(NamedTuple):
    """What a text asks to be computed."""

    expression: str
    phrase: str | None
    """The same in the user's words, where one operation leaves no doubt what they mean."""
    refers: bool
    """It builds on an earlier result: "that", "it", "and times two"."""


class _Node(NamedTuple):
    """A part of the expression, and how tightly it holds together."""

    text: str
    rank: int = ATOM
    fraction: "tuple[_Node, _Node] | None" = None
    """Numerator and denominator, should it turn out to be a fraction of something."""

    @property
    def is_percent(self) -> bool:
        return self.text.endswith("%") and self.rank in {ADDED, ATOM}

    def within(self, rank: int) -> str:
        return self.text if self.rank >= rank else f"({self.text})"


class _NotUnderstood(Exception):
    """A word does not belong where it stands."""


def understand(text: str, last: str | None = None) -> Sum | None:
    """What the text asks to be computed, if that is all it says.

    `last` is the last result. Without one, what refers to it is not fit to be computed.
    """
    source = clean(text)
    try:
        return _Reader(cut(source) or [], last).read(source)
    except _NotUnderstood:
        return None


class _Reader:
    """Reads words by precedence, as Pratt's parsers do."""

    def __init__(self, words: list[Word], last: str | None) -> None:
        kinds = [word.kind for word in words]
        lead = next((n for n, kind in enumerate(kinds) if kind not in {"ask", "link", "and"}), 0)
        tail = next(
            (n for n, kind in enumerate(kinds[::-1]) if kind not in {"end", "link", "and"}), 0
        )
        self._asked = "ask" in kinds[:lead]
        self._words = words[lead : len(words) - tail]
        self._at = 0
        self._depth = 0
        self._operations = 0
        self._last = last
        self._refers = False

    def read(self, source: str) -> Sum:
        """The whole text."""
        first = self._word
        is_command = first.kind == "command"
        node = self._command() if is_command else self._sentence()
        is_sum = self._operations or (self._asked and first.kind == "constant")
        if self._word is not _END or not is_sum:
            raise _NotUnderstood
        has_one_reading = self._operations <= 1 and not self._refers and not is_command
        return Sum(node.text, self._phrase(source) if has_one_reading else None, self._refers)

    def _phrase(self, source: str) -> str:
        first, last = self._words[0], self._words[-1]
        is_noun = first.kind in {"function", "fold"} and any(w.kind == "of" for w in self._words)
        return ("the " if is_noun else "") + source[first.start : last.end]

    def _sentence(self) -> _Node:
        """An expression, or only what is to be done to the last result: `plus 5`, `squared`."""
        word = self._word
        is_sign = word.value in {"-", "over"} or (word.value == "minus" and self._last is None)
        goes_on = word.kind == "power" or (word.kind == "operator" and not is_sign)
        if goes_on and not self._asked:
            return self._climb(self._with_suffixes(self._that()), 0)
        return self._expression(0)

    def _command(self) -> _Node:
        """`add 3 to 4`, `divide it by 3`, `now add 10`, `multiply by 2`."""
        sign = self._pop().value
        left = self._that() if self._word.kind == "join" else self._expression(0)
        if self._word is _END:
            return self._apply(sign, self._that(), left)
        join = self._pop().value
        if join not in JOINS[sign]:
            raise _NotUnderstood
        right = self._expression(0)
        swapped = join in {"to", "from"}
        return self._apply(sign, right, left) if swapped else self._apply(sign, left, right)

    # Operators

    def _expression(self, limit: int) -> _Node:
        """Operands, with the operators between them that bind tighter than `limit`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NotUnderstood
        node = self._climb(self._operand(), limit)
        self._depth -= 1
        return node

    def _climb(self, left: _Node, limit: int) -> _Node:
        while (sign := self._sign()) and RANKS[sign] > limit:
            left = self._operate(sign, left, RANKS[sign] - (sign == "**"))
            if left.fraction and self._word.kind == "of":
                left = self._share_of(left)
        return left

    def _sign(self) -> str | None:
        """The operator that comes next, also the one that nobody writes in `2pi` and `3(4+5)`."""
        word = self._word
        if word.kind == "operator":
            return SPOKEN_SIGNS.get(word.value, word.value)
        return UNWRITTEN_SIGNS.get(word.kind)

    def _operate(self, sign: str, left: _Node, limit: int) -> _Node:
        if self._word.kind in {"operator", "percent"}:
            self._pop()
        return self._apply(sign, left, self._expression(limit))

    def _apply(self, sign: str, left: _Node, right: _Node) -> _Node:
        self._operations += 1
        if sign == "%" and left.text.endswith("%"):  # only a puzzle says 80% % 3
            raise _NotUnderstood
        if sign in "+-" and right.is_percent and not left.is_percent:
            # 200 plus 10% is 220
            return _binary("*", left, _binary(sign, _Node("1"), right))
        return _binary(sign, left, right)

    # Operands

    def _operand(self) -> _Node:
        word = self._pop()
        if word.kind not in _OPERANDS:
            raise _NotUnderstood
        return self._with_suffixes(_OPERANDS[word.kind](self, word))

    def _with_suffixes(self, node: _Node) -> _Node:
        """`squared`, `!`, `%`, `degrees`, `to the fourth`."""
        while self._has_suffix():
            word = self._pop()
            node = _SUFFIXES[word.kind](self, node, word)
        return node

    def _has_suffix(self) -> bool:
        word, following, after = self._word, self._peek(1), self._peek(2)
        match word.kind, word.value:
            case "percent", "%":  # or modulo
                return following.kind not in _STARTS
            case "function", "factorial":
                return following.kind not in {"open", "of"}
            case "join", "to":  # "to the fourth", but not "add 1 to a fourth of 8"
                return following.kind == "nth" or (following.kind == "part" and after.kind != "of")
            case _:
                return word.kind in {"power", "bang", "degrees", "percent"}

    def _raise(self, node: _Node, word: Word) -> _Node:
        exponent = self._pop() if word.kind == "join" else word
        return self._apply("**", node, _Node(exponent.value))

    def _factorial(self, node: _Node, word: Word) -> _Node:
        return self._call(word, node)

    def _degrees(self, node: _Node, word: Word) -> _Node:
        return _binary("/", _binary("*", node, _Node("pi")), _Node(word.value))

    def _percent(self, node: _Node, _: Word) -> _Node:
        if node.is_percent:
            raise _NotUnderstood
        return self._share(_Node(node.within(ATOM) + "%"))

    def _argument(self) -> _Node:
        """What a function is of. A fraction belongs to it: the sine of pi over 4."""
        self._take("of")
        if self._word is _END:
            return self._that()
        if self._take("open"):
            return self._group()
        node = self._expression(SIGNED)
        while self._word.kind == "constant" or self._word.value in {"/", "over"}:
            node = self._operate(self._sign() or "/", node, SIGNED)
        return node

    def _number(self, word: Word) -> _Node:
        """`3`, `two hundred and five`, `three point one four`, `2.5 million`, `two thirds`."""
        text = word.value if word.kind == "digits" else self._spelled(word)
        if self._take("point"):
            text += "." + self._decimals()
        node = _Node(text)
        if scale := self._take("scale"):
            node = _binary("*", node, _Node(scale.value))
        part = self._take("part")
        return self._share(_binary("/", node, _Node(part.value))) if part else node

    def _spelled(self, word: Word) -> str:
        """Each word must fit into the room that is left: `twenty one`, but not `one twenty`."""
        total = group = 0
        while True:
            value = int(word.value)
            if word.kind == "small":
                group, room = group + value, 10 if value >= 20 else 0
            else:
                group, room = (group or 1) * value, 100
                if value != 100:
                    total, group = total + group, 0
                if self._peek(1).kind == "small":
                    self._take("and")
            if not (self._word.kind == "scale" or self._is_small(room)):
                return str(total + group)
            word = self._pop()

    def _is_small(self, room: int) -> bool:
        return self._word.kind == "small" and int(self._word.value) < room

    def _decimals(self) -> str:
        digits = ""
        while self._is_small(10):
            digits += self._pop().value
        if not digits:
            raise _NotUnderstood
        return digits

    def _part(self, word: Word) -> _Node:
        return self._share(_binary("/", _Node("1"), _Node(word.value)))

    def _share(self, share: _Node) -> _Node:
        """`15%`, `half`, `two thirds`, alone or of something."""
        is_of = self._word.kind == "of" or (share.fraction and self._word.kind in _STARTS)
        return self._share_of(share) if is_of else share

    def _share_of(self, share: _Node) -> _Node:
        self._operations += 1
        whole = self._argument()
        if not share.fraction:
            return _Node(f"{share.text} of {whole.within(SIGNED)}", MULTIPLIED)
        count, parts = share.fraction
        return _binary("/", whole if count.text == "1" else _binary("*", count, whole), parts)

    def _constant(self, word: Word) -> _Node:
        return _Node(word.value)

    def _function(self, word: Word) -> _Node:
        is_call = self._word.kind == "open"
        return self._call(word, *(self._items() if is_call else [self._argument()]))

    def _call(self, word: Word, *arguments: _Node) -> _Node:
        self._operations += 1
        return _Node(f"{word.value}({', '.join(argument.text for argument in arguments)})")

    def _change(self, word: Word) -> _Node:
        sign, _, number = word.value.partition(" ")
        return self._apply(sign, self._argument(), _Node(number))

    def _fold(self, word: Word) -> _Node:
        """`the sum of 1, 2 and 3`, `max(3, 5)`."""
        items = self._items()
        if len(items) == 1:
            raise _NotUnderstood
        if word.value in {"max", "min", "gcd", "lcm"}:
            return self._call(word, *items)
        self._operations += 1
        if word.value == "average":
            return _binary("/", reduce(partial(_binary, "+"), items), _Node(str(len(items))))
        return reduce(partial(_binary, word.value), items)

    def _items(self) -> list[_Node]:
        in_parentheses = not self._take("of") and self._take("open")
        items = [self._expression(0)]
        while self._take("and"):
            self._take("and")
            items.append(self._expression(0))
        if in_parentheses and not self._take("close"):
            raise _NotUnderstood
        return items

    def _group(self, _: Word | None = None) -> _Node:
        node = self._expression(0)
        if not self._take("close"):
            raise _NotUnderstood
        return node

    def _signed(self, word: Word) -> _Node:
        if word.value not in {"-", "minus"}:
            raise _NotUnderstood
        return _Node("-" + self._expression(SIGNED).within(RAISED), SIGNED)

    def _that(self, _: Word | None = None) -> _Node:
        """The last result, also where the text does not name it."""
        self._refers = True
        last = self._last or NO_RESULT
        return _Node(last, SIGNED if last.startswith("-") else ATOM)

    # Words

    @property
    def _word(self) -> Word:
        return self._peek(0)

    def _peek(self, ahead: int) -> Word:
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else _END

    def _pop(self) -> Word:
        word = self._word
        self._at += 1
        return word

    def _take(self, kind: str) -> Word | None:
        return self._pop() if self._word.kind == kind else None


def _binary(sign: str, left: _Node, right: _Node) -> _Node:
    """The two with the sign between them, in parentheses only where they are needed."""
    rank = RANKS[sign]
    first = left.within(ATOM if sign == "**" else rank)
    second = right.within(SIGNED if sign == "**" else rank + 1)
    return _Node(f"{first} {sign} {second}", rank, (left, right) if sign == "/" else None)


_END = Word("", "")

_OPERANDS: dict[str, Callable[[_Reader, Word], _Node]] = {
    "digits": _Reader._number,
    "small": _Reader._number,
    "scale": _Reader._number,
    "part": _Reader._part,
    "constant": _Reader._constant,
    "function": _Reader._function,
    "change": _Reader._change,
    "fold": _Reader._fold,
    "open": _Reader._group,
    "that": _Reader._that,
    "operator": _Reader._signed,
}
_SUFFIXES: dict[str, Callable[[_Reader, _Node, Word], _Node]] = {
    "power": _Reader._raise,
    "join": _Reader._raise,
    "bang": _Reader._factorial,
    "function": _Reader._factorial,
    "degrees": _Reader._degrees,
    "percent": _Reader._percent,
}
_STARTS = _OPERANDS.keys() - {"operator"}
