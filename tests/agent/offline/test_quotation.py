"""A quotation: the document's own words, and nothing in it that means something else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.offline.quotation import JOINER, LONGEST_QUOTE, bare, sentences_of
from stream.citations import citations


def quoted(passage: str) -> list[str]:
    return [bare(sentence) for sentence in sentences_of(passage)]


@pytest.mark.parametrize(
    "text",
    [
        "Use `__init__` and `**options` there.",
        "Use __init__ there, and __init__.py too.",
        "We know that 2**10 = 1024 and 3**2 = 9.",
        "The area is 2 ** 3 and 3 ** 2.",
        "Call f(**one, **two).",
        "The list `a[0]` is first.",
        "A [link](http://example.com) and [1](http://example.com).",
        "12. März ist Feiertag auf der Insel.",
        "Bags of > 5 kg are heavy.",
        "> 5 kg bags are forbidden.",
        "Das Büro ist im 2. Stock.",
        "Vom 3. bis 4. Mai ist zu.",
        "Der 1. Mai ist frei.",
        "7) is no list.",
    ],
)
def test_what_is_no_markup_stays(text: str) -> None:
    assert quoted(text) == [text]


@pytest.mark.parametrize(
    ("passage", "sentences"),
    [
        ("- **Dogs** need __a ticket__.", ["Dogs need a ticket."]),
        ("**Use `__init__` now**.", ["Use `__init__` now."]),
        ("Steps:\n\n1. Open it.\n2. Shut it.", ["Steps:", "Open it.", "Shut it."]),
        ("> Quoted\n> words.", ["Quoted", "words."]),
        ("# Fog\n* Rare\n  in May", ["Fog", "Rare in May"]),
        ("Not\n> 5 kg. Max. > 6 kg.", ["Not > 5 kg.", "Max.", "> 6 kg."]),
        ("Es war am\n12. März. Dann\nnicht.", ["Es war am 12. März.", "Dann nicht."]),
        ("It costs 12. Then go.", ["It costs 12.", "Then go."]),
        (
            "So:\n```py\nx = 1\n# y = a\n```\nThat\nis it.",
            ["So:", "x = 1", "# y = a", "That is it."],
        ),
        ("One ```json {} ``` ~~~ two.", ["One `json {} ` ~ two."]),
        ("| Day | At |\n|---|:--|\n| Monday | 8 |\n---", ["Day | At |", "Monday | 8 |"]),
    ],
)
def test_markup_is_left_out(passage: str, sentences: list[str]) -> None:
    assert quoted(passage) == sentences


def test_numbers_in_brackets_cite_nothing() -> None:
    assert bare("Cats [7] purr【2, 3】.") == "Cats (7) purr(2, 3)."
    assert bare("a[0] = b_[1], [x][2]").replace(JOINER, "") == "a[0] = b_[1], [x][2]"
    assert bare(f"{'x' * (LONGEST_QUOTE - 4)} [1](y)").endswith("x (1)…")


PIECES = ["[1]", "[2", "]", "【3】", "［１］", "[1-3]", "[4†a]", "a", " ", "`", "```", "~~~", "(",
          ":", "**", "__", "\n", ". ", "- ", "1. ", "> ", "[", "[1]: ", "$", "$$", "\\(", "\\)",
          "\\"]  # fmt: skip
passages = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join)

WORDS = re.compile(r"[^\W\d_]+")


@given(passages)
def test_an_answer_of_quotations_cites_what_it_quotes(passage: str) -> None:
    quotes = quoted(passage)
    answer = "\n\n".join(f'"{quote}" [{n}]' for n, quote in enumerate(quotes, 901))
    numbers = tuple(range(901, 901 + len(quotes)))
    assert citations(answer, numbers) == (numbers, ())


@given(passages.map(lambda passage: passage.replace("```", "``").replace("~~~", "~~")))
def test_no_words_are_lost(passage: str) -> None:
    assert WORDS.findall(" ".join(quoted(passage))) == WORDS.findall(passage)
