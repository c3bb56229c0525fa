"""Terms: what a passage is found by, in any language."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.documents.folding import folded
from agent.documents.words import MAX_TERMS, asked, terms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The CAFÉ's door", ["the", "cafe", "s", "door"]),
        ("Straße Ａｌｐｈａ ﬁn", ["strasse", "alpha", "fin"]),
        ("がく", ["が", "く", "がく"]),
        ("大浴場", ["大", "浴", "場", "大浴", "浴場"]),
        ("茶", ["茶"]),
        ("iPhone用ケース", ["iphone", "用", "ケ", "ー", "ス", "用ケ", "ケー", "ース"]),
        ("हिन्दी है।", ["हिन्दी", "है"]),
        ("کتابِ ۱۲ مـَدرسة شَالٌ", ["كتاب", "12", "مدرسه", "شال"]),
        ("שָׁלוֹם", ["שלום"]),
        ("smør\u200b œuf ło\u00addź", ["smor", "oeuf", "lodz"]),
        ("Wi-Fi e‐mail 3-4 a-", ["wi", "fi", "e", "mail", "3", "4", "a", "wifi", "email"]),
        ("Trenn-\nung 用a-b", ["trenn", "ung", "用", "a", "b", "trennung", "ab"]),
        ("snake_case 3.5", ["snake", "case", "3", "5"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert terms(text).words == words


def test_a_word_is_known_by_its_beginning() -> None:
    assert terms("Gewitter 雷雨 hut").stems == ["gewit", "hut"]
    assert terms("Dogs boss").stems == asked("dog boss").stems == ["dog", "boss"]


@pytest.mark.parametrize(
    ("written", "word"),
    [("والخيول", "خيول"), ("الوزارة", "وزارة"), ("للسفينة", "السفينة"), ("והסירה", "סירה")],
)
def test_what_is_written_onto_a_word_is_not_its_beginning(written: str, word: str) -> None:
    assert terms(written).stems == asked(word).stems


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What is the price of a ticket?", ["price", "ticket"]),
        ("Wie hoch sind die Gebühren?", ["hoch", "gebuhren"]),
        ("本はどこですか", ["本は", "本"]),
        ("みかんはどこですか", ["みか", "かん", "んは"]),
        ("What may IT and US staff do in May?", ["may", "it", "us", "staff"]),
        ("A room: is vitamin B in plan C, or I?", ["room", "vitamin", "b", "plan", "c"]),
        ("Zeigen Sie es mir im Plan, Ihre Um zwei?", ["zeigen", "plan", "zwei"]),
        ("How do I open it?", ["open"]),
        ("When did the war end, and is the bin empty?", ["war", "end", "bin", "empty"]),
        ("WHAT IS IT ABOUT, OPENING?", ["opening"]),
        ("茶", ["茶"]),
        ("Who is who?", ["who", "is"]),  # nothing else is there
        ("tea tea TEA", ["tea"]),
        ("?!", []),
    ],
)
def test_a_question_is_asked_by_what_tells(question: str, words: list[str]) -> None:
    assert asked(question).words == words


def test_a_question_has_so_many_terms_at_most() -> None:
    words, stems = asked(" ".join(f"w{n}" for n in range(500)))
    assert len(words) == MAX_TERMS >= len(stems)


@settings(max_examples=50)
@given(st.text())
def test_terms_hold_no_syntax(text: str) -> None:
    for term in (*asked(text).words, *asked(text).stems, *terms(text).words):
        assert '"' not in term
        assert not any(sign.isspace() for sign in term)


@pytest.mark.parametrize("text", ["Ñandú ẞ Й Ǿ", "أحمد ۀ ١٢ שׁ"])
def test_folding_twice_is_folding_once(text: str) -> None:
    assert folded(folded(text)) == folded(text) != text


def test_a_long_word_takes_no_longer() -> None:
    assert len(terms("a" * 300_000 + "-b" * 100_000).words) > 100_000
