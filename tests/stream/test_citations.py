"""What an answer cites."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.citations import Citations, citations, places, uncited

CASES = [
    ("Cats purr [2]. Dogs bark [1][2].", (2, 1), ()),
    ("Both [1, 2] and 猫は寝る【2】［3］。", (1, 2), (3,)),
    ("As [7] says [7].", (), (7,)),
    ("[1](https://x)\n[2]: y are links, [0001] and [x] are nothing.", (), ()),
    ("By [1]: cats. By [２†page 7], 【 1 】, [1 - 2] and [3–5].", (1, 2), (3, 4, 5)),
    ("[900-1] and [1-900] are no ranges.", (1,), (900,)),
    ("~~~\n[1]\n~~~", (), ()),
    (r"The root \(\sqrt[3]{8}\) is 2 [1].", (1,), ()),
    (r"In $a[2]$, $$[2]$$, \(b[2]\), \[ c[2] \] and $d=[2]$ nothing is cited [1].", (1,), ()),
    (r"It is $5 [1] or $6 [2], $[7]$, and neither \[8] nor \$a[9]$.", (1, 2), (7, 9)),
    ("$$ is [1].\n\nSo is $$ [2].", (1, 2), ()),
    ("`a[1]` and\n```\nb[2]\n```\nare code, c [1] is not.", (1,), ()),
    ("```\nnever closed [1]", (), ()),
    ("الخيول يوم الثلاثاء [١، ۲]، गाय [३–५] 𝟙[१].", (1, 2), (3, 4, 5)),
    ("[1", (), ()),
    ("", (), ()),
]


@pytest.mark.parametrize(("answer", "cited", "unknown"), CASES)
def test_citations(answer: str, cited: tuple[int, ...], unknown: tuple[int, ...]) -> None:
    assert citations(answer, {1, 2}) == Citations(cited, unknown)


def test_an_answer_without_its_citations() -> None:
    cited = "Cats purr [1, 2][3]. `a[1]` is code, and this [no] citation, but [9]"
    assert uncited(cited) == "Cats purr. `a[1]` is code, and this [no] citation, but"
    assert uncited("Nothing.") == "Nothing."


@given(st.text(st.sampled_from("[1, 2]`【x\n(")))
def test_what_is_cited_stands_there(answer: str) -> None:
    for number, start, end in places(answer):
        assert (answer[start] in "[【", answer[end - 1] in "]】") == (True, True)
        assert any(digit in answer[start + 1 : end - 1] for digit in "12"), number


@pytest.mark.parametrize(
    "unit", ["[", "```", "`", "[1,", "[1", "[1]", "$", "$a", "$$", r"\(", r"\[", "\\"]
)
def test_a_long_answer_takes_no_more_than_its_length(unit: str) -> None:
    def cost(size: int) -> float:
        begin = time.process_time()
        citations(unit * size, {1})
        return time.process_time() - begin

    assert min(cost(80_000) for _ in "123") < 3 * 8 * max(min(cost(10_000) for _ in "123"), 0.001)
