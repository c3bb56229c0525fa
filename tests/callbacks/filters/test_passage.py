"""Text up to a mark, however it is cut."""

import pytest

from callbacks.filters.seeker import Seeker, seek_any
from callbacks.filters.until import Stripped, Until


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["ab", "c\nO", "b", "s", "no"], ["ab", "c", "", "", ""]),
        (["a\nO", "\nO", "x"], ["a", "\nO", "\nOx"]),
        (["a", "\ud83d", "\ude00", "\ude00"], ["a", "", "😀", "\ufffd"]),
        (["a\n", "\ud83dx"], ["a", "\n\ufffdx"]),
    ],
)
def test_only_what_may_be_the_start_of_an_end_is_held(pieces, said):
    text = Until(["\nObs"])
    assert [text.feed(piece) for piece in pieces] == said


def test_what_was_held_is_text_if_no_end_comes():
    text = Until(["\nObs"])
    assert [text.feed("a\nO"), text.close(), text.close()] == ["a", "\nO", ""]


def test_other_marks_are_not_cut_in_two():
    text = Until(["</a>"], ["[[b]]"])
    assert [text.feed(piece) for piece in ["[", "[b", "]", "]<", "/", "a>"]] == (
        ["", "", "", "[[b]]", "", ""]
    )
    assert text.ended


def test_white_space_waits_for_what_follows_it():
    text = Stripped(["#"])
    pieces = [" ", "\n", "a ", " ", "\t", "b", "\ud83d", " ", "\ud83d", "#"]
    assert [text.feed(piece) for piece in pieces] == (
        ["", "", "a", "", "", "  \tb", "", "\ufffd", " ", "\ufffd"]
    )


def test_a_seeker_finds_the_first_mark_in_pieces():
    seeker = seek_any("<b>", "<a>")
    assert seeker.seek("x<") == ("x", "", 2)
    assert seeker.seek("a>y<b>") == ("", "<a>", 2)
    assert seeker.seek("a>y<b>", 2) == ("y", "<b>", 6)
    assert seeker.seek("y<x<b") == ("y<x", "", 5)
    assert seeker.close() == "<b"
    assert seek_any().seek("x") == ("x", "", 1)
    assert Seeker("a{1,3}b", "a", 4).seek("aaaa") == ("a", "", 4)
