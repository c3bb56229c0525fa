"""The math tool: arithmetic as people and models write it, computed by numexpr.

numexpr evaluates Python-like source: its release 2.14.2 can be talked into running code and can
crash the process, and it takes up to 20 ms to compile one expression. So it never sees anything
that came from outside: the fixed operations below are compiled once, and an expression only chooses
among them. Text becomes known tokens, tokens a tree, the tree a number; each step refuses what it
does not know by name.

Every value on the way is an `int` of at most `MAX_BITS` bits, exact and computed by Python, or a
finite float. That is checked after each operation: no infinity hides inside a result, and no
operation takes more than microseconds.
"""

import ast
import math
import operator
import re
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import numexpr
import numpy as np
from langchain_core.tools import StructuredTool, ToolException

MAX_CHARACTERS, MAX_NODES, MAX_DEPTH, MAX_CONSTANTS = 512, 128, 32, 64
MAX_BITS = 4096  # about 1,233 digits

Number = int | float

_HELP = "Use numbers, + - * / // % ^ ( ) and functions such as sqrt(2) or round(2.345, 1)."


class CalculationError(ToolException, ValueError):
    """What cannot be computed, and why: at most 200 characters, written for the model."""


# What can be computed

numexpr.set_num_threads(1)  # for single numbers a pool of threads is only a cost
_ONE_AT_A_TIME = Lock()  # two threads in one compiled expression crash the process


def _compiled(source: str, parameters: str = "a") -> Callable[..., float]:
    program = numexpr.NumExpr(source, [(name, np.float64) for name in parameters])

    def run(*operands: Number) -> float:
        floats = [float(operand) for operand in operands]
        with _ONE_AT_A_TIME:
            return float(program(*floats))

    return run


def _exact_or(
    exact: Callable[[int, int], Number], approximate: Callable[..., float]
) -> Callable[[Number, Number], Number]:
    def run(a: Number, b: Number) -> Number:
        if isinstance(a, int) and isinstance(b, int):
            return exact(a, b)
        return approximate(a, b)

    return run


def _integer_power(a: int, b: int) -> Number:
    if (a.bit_length() - 1) * b > MAX_BITS:  # so many bits at least, and twice as many at most
        raise OverflowError
    power: Number = a**b
    return power


_quotient = _exact_or(lambda a, b: a / b if a % b else a // b, _compiled("a / b", "ab"))
_any_power = _exact_or(_integer_power, _compiled("a ** b", "ab"))
_logarithms = _compiled("log(a)"), _compiled("log(a) / log(b)", "ab")


def _divide(a: Number, b: Number) -> Number:
    if b == 0:
        raise ZeroDivisionError
    return _quotient(a, b)


def _power(a: Number, b: Number) -> Number:
    if a == 0 and b < 0:
        raise ZeroDivisionError
    return _any_power(a, b)


def _log(a: Number, *base: Number) -> float:
    return _logarithms[len(base)](a, *base)


def _round(a: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 300:  # Python would compute 10**digits
        raise CalculationError("round needs a whole number of digits from -300 to 300.")
    return round(a, digits)


def _whole(function: Callable[..., int], most: int | None = None) -> Callable[..., int]:
    """`function`, for whole numbers only; with `most`, only from 0 to where it is cheap."""

    def run(*operands: Number) -> int:
        if not all(isinstance(operand, int) for operand in operands):
            raise CalculationError(f"{function.__name__} needs whole numbers.")
        if most is not None and not all(0 <= operand <= most for operand in operands):
            raise CalculationError(f"{function.__name__} needs numbers from 0 to {most}.")
        return function(*operands)

    return run


class _Function(NamedTuple):
    call: Callable[..., Number]
    least: int = 1  # arguments
    most: int = 1


_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}

_INVERSES = {f"{kind}{f}": f"arc{f}" for kind in ("a", "arc") for f in ("sin", "cos", "tan")}
_INVERSES |= {f"{name}h": f"{source}h" for name, source in _INVERSES.items()}
_DIRECT = ("sqrt", "exp", "log2", "log10", "sin", "cos", "tan", "sinh", "cosh", "tanh")

_FUNCTIONS = {
    **{name: _Function(_compiled(f"{name}(a)")) for name in _DIRECT},
    **{name: _Function(_compiled(f"{source}(a)")) for name, source in _INVERSES.items()},
    "ln": _Function(_logarithms[0]),
    "log": _Function(_log, 1, 2),
    "atan2": _Function(_compiled("arctan2(a, b)", "ab"), 2, 2),
    "hypot": _Function(_compiled("hypot(a, b)", "ab"), 2, 2),
    "cbrt": _Function(math.cbrt),
    "degrees": _Function(math.degrees),
    "radians": _Function(math.radians),
    "percent": _Function(lambda a: _divide(a, 100)),
    "abs": _Function(abs),
    "floor": _Function(math.floor),
    "ceil": _Function(math.ceil),
    "trunc": _Function(math.trunc),
    "round": _Function(_round, 1, 2),
    "min": _Function(min, 2, MAX_CONSTANTS),
    "max": _Function(max, 2, MAX_CONSTANTS),
    "mod": _Function(operator.mod, 2, 2),
    "pow": _Function(_power, 2, 2),
    "gcd": _Function(_whole(math.gcd), 2, 8),
    "lcm": _Function(_whole(math.lcm), 2, 8),
    "factorial": _Function(_whole(math.factorial, 500)),
    "comb": _Function(_whole(math.comb, 500), 2, 2),
    "perm": _Function(_whole(math.perm, 500), 2, 2),
}

_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: _FUNCTIONS["sqrt"].call,
}
_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: _exact_or(operator.add, _compiled("a + b", "ab")),
    ast.Sub: _exact_or(operator.sub, _compiled("a - b", "ab")),
    ast.Mult: _exact_or(operator.mul, _compiled("a * b", "ab")),
    ast.Div: _divide,
    ast.FloorDiv: operator.floordiv,  # numexpr's // and % round like C's
    ast.Mod: operator.mod,
    ast.Pow: _power,
}

# From text to a tree

_SPELLING = dict(zip("^×·÷−πτ", ("**", "*", "*", "/", "-", "pi", "tau"), strict=True))
_SPELLING["of"] = "*"
# Python's own notations that bind as tightly as these do. Nobody else can write them: a lone dot
# and a tilde are no tokens.
_SPELLING |= {"√": "~", "!": ".factorial"}

_GRAMMAR = r"""\s*(?:
    (?P<number> (?: (?:%s)(?:\.\d*)? | \.\d+ ) (?:[eE][+-]?\d+)? (?![\w.]) )
  | (?P<name> [A-Za-z][A-Za-z0-9]* )
  | (?P<percent> %%(?= \s*(?: $ | [)*/^×·÷,] | (?i:of)\b )) | (?<!\s)%%(?=\s*[-+−]) )
  | (?P<sign> \*\* | // | !(?![!=]) | [-+*/%%^(),×·÷−√πτ] )
)"""
_OUTSIDE = re.compile(_GRAMMAR % r"[1-9]\d{0,2}(?:,\d{3})+(?![\d,]) | \d+", re.ASCII | re.VERBOSE)
_IN_CALL = re.compile(_GRAMMAR % r"\d+", re.ASCII | re.VERBOSE)  # a comma parts arguments


def _rebuilt(text: str) -> str:
    """The text in Python's spelling, made of known tokens only."""
    words: list[str] = []
    calls: list[bool] = []  # for each open parenthesis, whether it holds arguments
    position = 0
    while position < len(text):
        found = (_IN_CALL if calls and calls[-1] else _OUTSIDE).match(text, position)
        if not found:
            raise CalculationError(f"Cannot read {text[position : position + 8]!a}. {_HELP}")
        word = _spelled(str(found.lastgroup), found[found.lastgroup or 0])
        if word == "(":
            calls.append(bool(words) and words[-1] in _FUNCTIONS)
        elif word == ")":
            del calls[-1:]
        words.append(word)
        if len(calls) > MAX_DEPTH or len(words) > 2 * MAX_NODES:
            raise CalculationError("The expression is too complex. Compute it in several steps.")
        position = found.end()
    return " ".join(words)


def _spelled(kind: str, word: str) -> str:
    if kind == "percent":
        return ".percent"
    if kind == "number":
        if re.match(r"0\d", word):  # most likely the end of a number with separators
            raise CalculationError(f"Write {word[:20]} without leading zeros, 1,000 as 1000.")
        return word.replace(",", "")
    word = _SPELLING.get(word.lower(), word.lower())
    if kind == "name" and not (word in _FUNCTIONS or word in _CONSTANTS or word == "*"):
        raise CalculationError(f"Unknown name {word[:20]!r}. {_HELP}")
    return word


def _parsed(text: str) -> ast.expr:
    if len(text) > MAX_CHARACTERS:
        raise CalculationError(f"The expression is longer than {MAX_CHARACTERS} characters.")
    source = _rebuilt(text.strip())
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        what = "not complete" if source else "empty"
        raise CalculationError(f"The expression is {what}. {_HELP}") from None
    nodes = [type(node) for node in ast.walk(tree) if isinstance(node, ast.expr)]
    if len(nodes) > MAX_NODES or nodes.count(ast.Constant) > MAX_CONSTANTS:
        raise CalculationError("The expression is too long. Compute it in several steps.")
    return tree


# From a tree to a number


def _value(node: ast.expr, depth: int = 0) -> Number:
    if depth > MAX_DEPTH:
        raise CalculationError("The expression is nested too deeply.")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _checked(number)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _checked(_UNARY[type(op)](_value(operand, depth + 1)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            a, b = _value(left, depth), _value(right, depth + 1)  # a long sum is not deep
            if _is_percent(node) and not _is_percent(left) and a != 1:
                raise CalculationError("15% of what? Write 240 + 15% as 240 * (1 + 15%) or 240.15.")
            return _checked(_BINARY[type(op)](a, b))
        case ast.Attribute(value=operand, attr=name) if name in _FUNCTIONS:
            return _called(name, [operand], depth)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _called(name, args, depth)
        case _:
            raise CalculationError(f"This is not arithmetic. {_HELP}")


def _called(name: str, operands: list[ast.expr], depth: int) -> Number:
    call, least, most = _FUNCTIONS[name]
    if not least <= len(operands) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise CalculationError(
            f"{name} takes {wanted} argument(s), not {len(operands)}. Commas part them: "
            "write 1,000 as 1000."
        )
    return _checked(call(*(_value(operand, depth + 1) for operand in operands)))


def _is_percent(node: ast.expr) -> bool:
    """Whether a percentage, or a sum that ends with one."""
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub(), right=right):
            return _is_percent(right)
        case _:
            return isinstance(node, ast.Attribute) and node.attr == "percent"


def _checked(value: Number) -> Number:
    """The value if it is within bounds; a float that is a whole number as that number."""
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise OverflowError
        return value
    if math.isnan(value):
        raise CalculationError("The result is not a real number. For odd roots use cbrt(x).")
    if math.isinf(value):
        raise OverflowError
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def _written(value: Number) -> str:
    """All digits, unless the last two are but noise, as in 0.1 + 0.2."""
    text, short = str(value), f"{value:.15g}" if isinstance(value, float) else str(value)
    return short if len(short) + 3 < len(text) else text


def evaluate(expression: str) -> str:
    """The value of an arithmetic expression, as text.

    Whole numbers are exact (`2**100`), other results have 15 to 17 significant digits. Angles are
    radians, `log` is natural, `round` rounds halves to even. Thousands may be grouped, as in
    `1,000`, but not in a function's arguments.

    `15%` is 0.15. A `%` with an operand after it is modulo instead. Before a sign it is a
    percentage if no space stands before it: `10% - 3` but `10 % -3`. Adding a percentage to a
    number is refused where it matters whether that means a percentage of the number.

    Raises `CalculationError` for everything else; takes less than a millisecond for anything.
    """
    try:
        return _written(_value(_parsed(expression)))
    except ZeroDivisionError:
        raise CalculationError("Division by zero.") from None
    except OverflowError:
        raise CalculationError("The result is infinite or too large.") from None


async def _evaluate(expression: str) -> str:
    return evaluate(expression)


calculator = StructuredTool.from_function(
    func=evaluate,
    coroutine=_evaluate,  # without it LangChain would start a thread
    name="calculator",
    description=(
        "Computes one arithmetic expression. Whole numbers are exact. Knows + - * / // % ^ ! ( ), "
        "percentages, pi, e, tau, sqrt, cbrt, exp, ln, log (natural, or log(x, base)), log2, "
        "log10, sin, cos, tan, asin, acos, atan (radians), degrees, radians, factorial, comb, "
        "gcd, lcm, abs, floor, ceil, round, min, max. No variables, units or equations. "
        "Examples: 37593 * 67; sqrt(71); 15% of 240; 1200 * (1 + 4.5%)^10; round(2/3, 4)."
    ),
    handle_tool_error=True,
    handle_validation_error="Give one argument, expression: a string such as '37593 * 67'.",
)
