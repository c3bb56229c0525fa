"""Blocks -> passages: nothing is lost, nothing is too long, headings are not mixed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.documents.block import Block
from agent.documents.splitting import SIZE, sentences, split

TITLES = st.sampled_from([(), ("A",), ("A", "B")])
TEXTS = st.text(st.sampled_from("ab 。.!?\n»"), max_size=2500)
BLOCKS = st.lists(st.builds(Block, TITLES, TEXTS, st.sampled_from(["", "page=2"])), max_size=5)


def solid(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=50)
@given(BLOCKS)
def test_nothing_is_lost(blocks: list[Block]) -> None:
    passages = list(split(blocks))
    assert all(0 < len(each.text) <= SIZE for each in passages)
    assert solid("".join(each.text for each in passages)) == solid(
        "".join(block.text for block in blocks)
    )
    assert {each._replace(text="") for each in passages} <= {b._replace(text="") for b in blocks}


def test_small_blocks_of_one_heading_become_one_passage() -> None:
    blocks = [Block(("A",), "One."), Block(("A",), "Two."), Block(("B",), "Three.")]
    assert [each.text for each in split(blocks)] == ["One.\n\nTwo.", "Three."]


@pytest.mark.parametrize("sentence", ["This is a sentence. ", "これは文です。"])
def test_a_long_block_is_cut_between_sentences(sentence: str) -> None:
    passages = list(split([Block((), sentence * 300)]))
    assert len(passages) > 2
    assert all(each.text.endswith((".", "。")) for each in passages)
    assert all(len(each.text) > SIZE // 2 for each in passages[:-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said "no." Then 3.5 m.\nEnd', ['He said "no." ', "Then 3.5 m.\n", "End"]),
        ("はい。」いいえ！", ["はい。」", "いいえ！"]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert list(sentences(text)) == expected


@pytest.mark.parametrize("unit", [".", "!?", " ", "\n", ")", "。", '"'])
def test_a_long_row_of_marks_takes_no_longer(unit: str) -> None:
    text = unit * 300_000  # what looks back would take hours
    assert "".join(sentences(text)) == text
