"""Plain words -> expressions, and what must not become one."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.offline import words
from agent.offline.arithmetic import Sum, understand
from agent.tools.calculator import CalculationError, evaluate

UNDERSTOOD = [
    # as in the README
    ("15% of 240", "15% of 240"),
    ("sqrt of 71", "sqrt(71)"),
    ("what is the square root of 71?", "sqrt(71)"),
    ("what's (3+4)*5 squared", "((3 + 4) * 5) ** 2"),
    ("sin of pi over 4", "sin(pi / 4)"),
    # signs
    ("2+2", "2 + 2"),
    ("2+2=?", "2 + 2"),
    ("37593 * 67", "37593 * 67"),
    ("1,000 + 2,500", "1000 + 2500"),
    ("what's 12 x 12", "12 * 12"),
    ("6×7", "6 * 7"),
    ("10 ÷ 4", "10 / 4"),
    ("10 − 4", "10 - 4"),
    ("2^10", "2 ** 10"),
    ("2**-1", "2 ** -1"),
    ("2^3^2", "2 ** 3 ** 2"),
    ("(2^3)^2", "(2 ** 3) ** 2"),
    ("17 // 5", "17 // 5"),
    ("17 % 5", "17 % 5"),
    ("17 mod 5", "17 % 5"),
    ("10 - (4 - 3)", "10 - (4 - 3)"),
    ("[1 + 2] * 3", "(1 + 2) * 3"),
    ("- -3 + 2", "-(-3) + 2"),
    ("-5 + 3", "-5 + 3"),
    (".5 + 1.25e3", ".5 + 1.25e3"),
    ("5!", "factorial(5)"),
    ("what is 5!?", "factorial(5)"),
    ("5² + 3³", "5 ** 2 + 3 ** 3"),
    ("√16", "sqrt(16)"),
    ("2π", "2 * pi"),
    ("3(4+5)", "3 * (4 + 5)"),
    ("2 sqrt(9)", "2 * sqrt(9)"),
    # the calculator's own language
    ("sqrt(71)^2", "sqrt(71) ** 2"),
    ("log(8, 2)", "log(8, 2)"),
    ("max(3, 5) + 1", "max(3, 5) + 1"),
    ("round(2.345, 1)", "round(2.345, 1)"),
    # operators in words
    ("What is 2 plus 2?", "2 + 2"),
    ("10 minus 4", "10 - 4"),
    ("six times seven", "6 * 7"),
    ("6 multiplied by 7", "6 * 7"),
    ("how much is 10 divided by 3", "10 / 3"),
    ("3 over 4 plus 1", "3 / 4 + 1"),
    ("2 to the power of 10", "2 ** 10"),
    ("raise 2 to the power of 8", "2 ** 8"),
    ("2 to the 10th power", "2 ** 10"),
    ("2 to the fourth", "2 ** 4"),
    ("5 cubed", "5 ** 3"),
    ("minus 3 plus 5", "-3 + 5"),
    # functions
    ("cube root of 27", "cbrt(27)"),
    ("the natural log of 10", "ln(10)"),
    ("log of 100", "log(100)"),
    ("log20", "log(20)"),
    ("log2 8", "log2(8)"),
    ("log base 2 of 1024", "log2(1024)"),
    ("sine of 30 degrees", "sin(30 * pi / 180)"),
    ("sin 2pi", "sin(2 * pi)"),
    ("factorial of 5", "factorial(5)"),
    ("5 factorial", "factorial(5)"),
    ("factorial(5)", "factorial(5)"),
    ("absolute value of -5", "abs(-5)"),
    ("square root of 9 plus 16", "sqrt(9) + 16"),
    ("square root of 9+16", "sqrt(9 + 16)"),
    ("square root of 16 divided by 2", "sqrt(16) / 2"),
    ("square root of the sum of 9 and 16", "sqrt(9 + 16)"),
    ("square root of (9)(4)", "sqrt(9) * 4"),
    # before and after
    ("double 21", "21 * 2"),
    ("the square of 12", "12 ** 2"),
    ("twice the sum of 3 and 4", "(3 + 4) * 2"),
    ("2 times 3 squared", "2 * 3 ** 2"),
    ("2+2 squared", "(2 + 2) ** 2"),
    ("-3 squared", "(-3) ** 2"),
    ("(1 + 2)*(3 squared)", "(1 + 2) * 3 ** 2"),
    # fractions and percentages
    ("half of 30", "30 / 2"),
    ("half a dozen plus 3", "12 / 2 + 3"),
    ("a third of 90", "90 / 3"),
    ("two thirds of 90", "2 * 90 / 3"),
    ("two thirds plus one", "2 / 3 + 1"),
    ("three quarters of a million", "3 * 1000000 / 4"),
    ("3/4 of 20", "3 * 20 / 4"),
    ("fifteen percent of 240", "15% of 240"),
    ("10 percent of 50% of 200", "10% of (50% of 200)"),
    ("200 plus 10%", "200 * (1 + 10%)"),
    ("100 - 50 * 10%", "100 - 50 * 10%"),
    ("10% + 5%", "10% + 5%"),
    # numbers in words
    ("twenty-five times two hundred and five", "25 * 205"),
    ("one million two hundred thousand plus one", "1200000 + 1"),
    ("three point one four times 2", "3.14 * 2"),
    ("2.5 million divided by 4", "2.5 * 1000000 / 4"),
    ("two dozen minus nineteen", "24 - 19"),
    # lists and commands
    ("average of 3, 4 and 8", "(3 + 4 + 8) / 3"),
    ("the product of 6 and 7", "6 * 7"),
    ("difference between 10 and 4", "10 - 4"),
    ("gcd of 12, and 18", "gcd(12, 18)"),
    ("add 3 to 4", "4 + 3"),
    ("add 3 and 4", "3 + 4"),
    ("add 5 to a third of 30", "30 / 3 + 5"),
    ("subtract 5 from 12", "12 - 5"),
    ("what do you get if you multiply 6 by 7", "6 * 7"),
    ("increase 200 by 10%", "200 * (1 + 10%)"),
    # manners
    ("hello, what is 2+2?", "2 + 2"),
    ("Can you calculate 5 + 5 please!", "5 + 5"),
    ("what does 3 times 4 equal?", "3 * 4"),
    ("what is pi?", "pi"),
]

REFERRING = [
    ("and that times two?", "-36 * 2"),
    ("divide it by 3", "-36 / 3"),
    ("now add 10", "-36 + 10"),
    ("plus 5", "-36 + 5"),
    ("squared", "(-36) ** 2"),
    ("to the power of 3", "(-36) ** 3"),
    ("and the square root?", "sqrt(-36)"),
    ("half of that", "-36 / 2"),
    ("and what is half that?", "-36 / 2"),
    ("double it", "-36 * 2"),
    ("multiply by 4", "-36 * 4"),
    ("what's that times 2", "-36 * 2"),
    ("now take the square root of that", "sqrt(-36)"),
    ("increase it by 10%", "-36 * (1 + 10%)"),
    ("subtract it from 100", "100 - -36"),
    ("5 minus the last result", "5 - -36"),
]

NOT_ARITHMETIC = [
    "",
    " ",
    "?",
    "hello there!",
    "I have 2 cats",
    "I have 3 cats and 2 dogs",
    "42",
    "-7",
    "what is 42?",
    "two hundred thousand",
    "forty two",
    "it",
    "that is it",
    "what is that?",
    "pi",
    "this and that",
    "one to one",
    "it takes two",
    "over and over",
    "add salt to taste",
    "2024-10-15",
    "2024-01-15",
    "10/12/2024",
    "007 + 1",
    "1.2.3",
    "call me at 555 1234",
    "what happened in 1984?",
    "what is the capital of France?",
    "how are you?",
    "double trouble",
    "2 +",
    "* ",
    "(2 + 3",
    "2 + 3)",
    "sqrt(2",
    "sum of 3",
    "one twenty plus 3",
    "two three plus 4",
    "two point plus 1",
    "5 of 10",
    "5 plus",
    "add 3 from 4",
    "2 + 2 = 5",
    "2 + + 2",
    "2 + apples",
    "$5 + $6",
    "x = 5",
    "80 percent percent of 5",
    "80 percent mod 3",
    "__import__('os')",
    "what is",
    "so, what is =",
    "minus",
    "٣ + ٤",
    "-" * 200 + "1",
    "(" * 100 + "1+1" + ")" * 100,
    "1" + "+1" * 200,
]


def expression(text: str, last: str | None = None) -> str | None:
    wanted = understand(text, last)
    return wanted.expression if wanted else None


@pytest.mark.parametrize(("text", "expected"), UNDERSTOOD)
def test_plain_words_become_an_expression(text: str, expected: str) -> None:
    wanted = understand(text)
    assert wanted is not None
    assert wanted.expression == expected
    assert not wanted.refers
    assert evaluate(expected)


@pytest.mark.parametrize(("text", "expected"), REFERRING)
def test_the_last_result_is_built_on(text: str, expected: str) -> None:
    assert understand(text, "-36") == Sum(expected, None, refers=True)
    without = understand(text)
    assert without is not None
    assert without.refers


def test_a_minus_goes_on_only_from_a_result() -> None:
    assert expression("and minus 7", "36") == "36 - 7"
    assert expression("minus 7 plus 9") == "-7 + 9"
    assert expression("what is minus 7 plus 9", "36") == "-7 + 9"


@pytest.mark.parametrize("text", NOT_ARITHMETIC)
def test_what_is_not_understood_to_the_end_is_not_computed(text: str) -> None:
    assert understand(text, "36") is None


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("What is the square root of 71?", "the square root of 71"),
        ("15% of 240, please", "15% of 240"),
        ("sqrt(71)", "sqrt(71)"),
        ("sum of 1 and 2", "the sum of 1 and 2"),
        ("half of 30", "half of 30"),
        ("what's (3+4)*5 squared", None),
        ("add 1 to 2", None),
    ],
)
def test_one_operation_is_said_back_in_the_users_words(text: str, phrase: str | None) -> None:
    wanted = understand(text)
    assert wanted is not None
    assert wanted.phrase == phrase


def test_no_phrase_has_two_meanings() -> None:
    phrases = [
        phrase
        for meanings in words.VOCABULARY.values()
        for spellings in meanings.values()
        for phrase in spellings.split("|")
    ]
    assert len(phrases) == len(set(phrases))


PHRASES = sorted(
    phrase
    for meanings in words.VOCABULARY.values()
    for spellings in meanings.values()
    for phrase in spellings.split("|")
)


@settings(deadline=None)
@given(st.lists(st.sampled_from([*PHRASES, "2", "3.5", "10"]), max_size=20), st.booleans())
def test_whatever_is_understood_is_fit_for_the_calculator(said: list[str], spaced: bool) -> None:
    found = expression((" " if spaced else "").join(said), "-7")
    refusal = refused(found) if found else ""
    assert not re.search("Cannot read|Unknown name|not complete|not arithmetic", refusal)


def refused(found: str) -> str:
    try:
        evaluate(found)
    except CalculationError as refusal:
        return str(refusal)
    return ""


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_without_an_exception(text: str) -> None:
    understand(text)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 10**6), st.sampled_from(["+", "-", "*", "**"]))
def test_signs_keep_their_meaning(a: int, b: int, sign: str) -> None:
    text = f"{a}{sign}{b % 50}-({b}-{a})*{a}-{b}"
    assert evaluate(expression(text) or "") == evaluate(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "1+" * 150,
        "of 1 squared " * 23,
        "-" * 300,
        "sqrt " * 60,
        "2^" * 149 + "2",
        "a" * 10_000,
        " " * 10_000 + "2+2",
        "half of " * 37,
        "twenty " * 42,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    understand(text, "1")
    assert time.process_time() - started < 0.5
