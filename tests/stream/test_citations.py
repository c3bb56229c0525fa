"""What an answer cites."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.citations import Citations, citations


@pytest.mark.parametrize(
    ("answer", "cited", "unknown"),
    [
        ("Cats purr [2]. Dogs bark [1][2].", (2, 1), ()),
        ("Both [1, 2] and 猫は寝る【2】［3］。", (1, 2), (3,)),
        ("As [7] says [7].", (), (7,)),
        ("[1](https://x) and [2]: y are links, [0001] and [x] are nothing.", (), ()),
        ("`a[1]` and\n```\nb[2]\n``` are code, c [1] is not.", (1,), ()),
        ("```\nnever closed [1]", (), ()),
        ("[1", (), ()),
        ("", (), ()),
    ],
)
def test_citations(answer: str, cited: tuple[int, ...], unknown: tuple[int, ...]) -> None:
    assert citations(answer, {1, 2}) == Citations(cited, unknown)


@given(st.text(st.sampled_from("[1, 2]`【x\n(")))
def test_any_text(answer: str) -> None:
    cited, unknown = citations(answer, {1})
    assert cited in {(), (1,)}
    assert 1 not in unknown


@pytest.mark.parametrize("unit", ["[", "```", "`", "[1,", "[1", "[1]"])
def test_a_long_answer_takes_no_longer(unit: str) -> None:
    citations(unit * 100_000, {1})
