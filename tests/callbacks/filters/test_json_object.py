"""The incremental reader of one JSON object."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callbacks.filters.json_object import JsonObject, Piece, is_plain, join_surrogates


def values(*texts: str, wanted=("a", "b")) -> tuple[dict[str, str], str]:
    """The wanted values as far as they came, and how the object ended."""
    reader, found = JsonObject(*wanted), {}
    for text in texts:
        for piece in reader.feed(text):
            found[piece.key] = found.get(piece.key, "") + piece.text
    for piece in reader.close():
        found[piece.key] += piece.text
    return found, reader.state


def test_reports_pieces_as_they_come():
    reader = JsonObject("a", "b")
    assert reader.feed(' {"a": "he') == [Piece("a", "he", quoted=True, complete=False)]
    assert reader.feed("\\") == []
    assert reader.feed("n\\") == [Piece("a", "\n", quoted=True, complete=False)]
    assert reader.feed('"') == [Piece("a", '"', quoted=True, complete=False)]
    assert reader.feed("") == []
    assert reader.feed('o", "b":') == [Piece("a", "o", quoted=True, complete=True)]
    assert reader.feed(" 4") == [Piece("b", "4", quoted=False, complete=False)]
    assert reader.feed("2 ") == [Piece("b", "2", quoted=False, complete=True)]
    assert not reader.ended
    assert reader.feed("} and more") == []
    assert reader.ended
    assert (reader.state, reader.consumed) == ("closed", 1)
    assert reader.close() == []


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (r'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t'),
        (r'"\u00e9\u4F60"', "é你"),
        (r'"\ud83d\uDE00"', "😀"),
        ('"\ud83d\ude00"', "😀"),
        ('"\ud83d\\ude00"', "😀"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ude00\ud83dx"', "\ufffd\ufffdx"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        ('"two\nlines\x00"', "two\nlines\x00"),
        (r'"\s \( \' \u12G4 \uZ \u12"', r"\s \( ' \u12G4 \uZ \u12"),
        (r'"\u12\n"', "\\u12\n"),
        ('"', ""),
        ('""', ""),
        ("true", "true"),
        ("false", "false"),
        ("null", "null"),
        ("-1.5E+3", "-1.5E+3"),
        ("0", "0"),
        ('{"a": {"b": "}"}, "b": [1, 2]}', '{"a": {"b": "}"}, "b": [1, 2]}'),
        (r'[ "]\"]" , "\\" ]', r'[ "]\"]" , "\\" ]'),
        ('["\ud83d\ude00\ud83d"]', '["😀\ufffd"]'),
        ("[]", "[]"),
    ],
)
def test_values(source, value):
    text = f'{{"a":{source}\t,"b":1}}' if source != '"' else '{"a":"'
    by_character, whole = values(*text), values(text)
    assert by_character == whole
    assert whole[0]["a"] == value if source != '"' else whole == ({}, "string")


@pytest.mark.parametrize(
    ("text", "consumed"),
    [
        ("x", 0),
        ('{"a": "x"; "b": 1}', 9),
        ('{"a" "x"}', 5),
        ("{a: 1}", 1),
        ('{"a": trve}', 8),
        ('{"a": nulll}', 10),
        ('{"a": True}', 6),
        ('{"a": 1 2}', 8),
        ('{"a": ]', 6),
        ("{,}", 1),
    ],
)
def test_breaks_at_the_first_character_that_does_not_belong(text, consumed):
    reader = JsonObject("a")
    reader.feed(text)
    assert (reader.state, reader.consumed) == ("broken", consumed)
    assert reader.feed("more") == []


def test_consumed_counts_in_the_last_text_only():
    reader = JsonObject("a")
    reader.feed('{"a": "\\u00')
    assert reader.consumed == 11
    reader.feed("e9")
    assert reader.consumed == 2
    reader.feed('"} rest')
    assert reader.consumed == 2


def test_of_a_key_given_twice_the_first_counts():
    assert values('{"a": "1", "a": "2", "b": 3, "b": "4"}')[0] == {"a": "1", "b": "3"}


def test_keys_of_nested_objects_and_other_keys_do_not_count():
    text = '{"x": {"a": 1}, "aa": "2", "": 3, "y": [{"a": 4}], "\\u0061": 5, "z": "\\ud83d'
    assert values(text) == ({"a": "5"}, "string")


def test_a_comma_before_the_brace_is_forgiven():
    assert values('{"a": 1,}') == ({"a": "1"}, "closed")


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("x\\", "x"),
        ("x\\u", "x"),
        ("x\\u004", "x"),
        ("x\\u0041", "xA"),
        ("x\\u00G", "x\\u00G"),
        ("x\\s", "x\\s"),
        ("\\ud83d", ""),
        ("\ud83d", ""),
        ("\\ud83d\\", ""),
        ("\\ud83d\\uDe0", ""),
        ("\\ud83d\\n", "\ufffd\n"),
        ("\\ud83d\\u0", "\ufffd"),
        ("\\ud83d\\ud8", "\ufffd"),
        ("\\ud83d\\ud83d", "\ufffd"),
        ("\\ud83dx", "\ufffdx"),
    ],
)
def test_a_character_is_out_as_soon_as_it_is_certain(text, out):
    for pieces in ([text], text):
        reader = JsonObject("a")
        reader.feed('{"a": "')
        assert "".join(p.text for piece in pieces for p in reader.feed(piece)) == out


def test_half_a_pair_is_alone_at_the_end():
    reader = JsonObject("a")
    reader.feed('{"a": "\\ud83d\\ud')
    assert reader.close() == [Piece("a", "\ufffd", quoted=True, complete=False)]
    assert reader.close() == []


def test_plain_text_needs_no_feeding():
    reader = JsonObject("a")
    assert not reader.takes_plain
    reader.feed('{"a": "')
    assert reader.takes_plain
    reader.feed("\\")
    assert not reader.takes_plain
    reader.feed("n\ud83d")
    assert not reader.takes_plain
    reader.feed("\ude00")
    assert reader.takes_plain
    assert is_plain("né\n😀")
    assert not any(map(is_plain, ["", 'a"', "\\", "a\ud83d"]))


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_joined_text_can_be_encoded(text):
    clean = join_surrogates(text)
    clean.encode()
    assert join_surrogates(clean) == clean


documents = st.dictionaries(
    st.text(max_size=4) | st.sampled_from(["a", "b"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(documents, st.booleans(), st.none() | st.just(2), st.integers(1, 9))
def test_agrees_with_the_json_module(document, ascii_only, indent, step):
    document = {k: v for k, v in document.items() if v not in (float("inf"), float("-inf"))}
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    found, state = values(*[text[i : i + step] for i in range(0, len(text), step)])
    assert state == "closed"
    assert found.keys() == document.keys() & {"a", "b"}
    for key, value in found.items():
        expected = document[key]
        assert (value if isinstance(expected, str) else json.loads(value)) == expected


def test_a_long_key_is_not_kept():
    reader = JsonObject("a")
    reader.feed('{"' + "k" * 1_000_000)
    assert len(reader._key) < 10
