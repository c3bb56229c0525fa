"""`tool`, `structured` and `message`: against naive readers, and example by example."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callbacks.filters.base import CallDelta, Chunk
from callbacks.filters.message import MessageFilter
from callbacks.filters.structured import StructuredFilter
from callbacks.filters.tool import ToolFilter
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, ThoughtDelta
from tests.callbacks.filters import native_reference as naive
from tests.callbacks.filters.json_chat_reference import joined
from tests.callbacks.filters.native_samples import noise, structured_noise, words
from tests.callbacks.filters.reading import Reading, common_prefix, cuts, hear_all, read
from tests.callbacks.filters.tape import Tape, call, chunks, phase, tape, text, thought
from tests.callbacks.filters.test_json_chat import INSERTIONS

thorough = settings(max_examples=150, deadline=None)


def answer(grammar, *said: Tape) -> str | None:
    whole = sum(said, Tape())
    assert read(grammar(), whole) == read(grammar(), [whole])
    return read(grammar(), [whole]).answer


@thorough
@given(noise, st.data())
def test_tool_agrees_with_a_naive_reader(reply, data):
    assert read(ToolFilter(), data.draw(cuts(reply))) == Reading(naive.tool(reply), None)


@thorough
@given(structured_noise, st.data())
def test_structured_agrees_with_a_naive_reader(reply, data):
    pieces = data.draw(cuts(reply))
    assert read(StructuredFilter(), pieces) == Reading(naive.structured(reply), None)
    named = naive.structured(reply, name="search")
    assert read(StructuredFilter(tool="search"), pieces) == Reading(named, None)


@thorough
@given(noise, st.data())
def test_message_agrees_with_a_naive_reader(reply, data):
    got = read(MessageFilter(), data.draw(cuts(reply)))
    assert (got.answer, got.thought) == naive.message(reply)


@settings(max_examples=60, deadline=None)
@given(noise)
def test_they_agree_with_a_naive_reader_wherever_a_reply_is_cut_short(reply):
    for end in range(len(reply)):
        assert read(ToolFilter(), [reply[:end]]).answer == naive.tool(reply[:end])
        assert read(MessageFilter(), [reply[:end]]).answer == naive.message(reply[:end])[0]


# A document, and where its value is read, is read alike from an argument and from text.
READERS = [
    (ToolFilter, lambda source: call(0, "final_answer", source)),
    (StructuredFilter, lambda source: call(0, "Answer", source)),
    (StructuredFilter, text),
]


@pytest.mark.parametrize(("grammar", "said"), READERS)
def test_a_character_is_out_as_soon_as_possible(grammar, said):
    units = ["\\ud83d", "\\uDE00", "\\u0041", "\\n", "\ud83d", "\ude00", "\\s", "x"]
    for first, second in itertools.product(units, units):
        source = f'{{"answer": "{first}{second}"}}'
        for place in range(len(source) + 1):
            ways = [source[:place] + way + '"}' for way in (*INSERTIONS, source[place:])]
            possible = [naive.field(way, "answer") or "" for way in ways]
            soonest = common_prefix([*possible, naive.field(source[:place], "answer") or ""])
            out = hear_all(grammar(), [said(source[:place])]).answer or ""
            assert out == soonest, source[:place]


@pytest.mark.parametrize(("grammar", "said"), READERS)
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{"answer": "Paris."}', "Paris."),
        ('{"answer":"你好 \\ud83d\\ude00\\n\\"hi\\""}', '你好 😀\n"hi"'),
        ('{"answer": "raw\nnewline"}', "raw\nnewline"),
        ('\n{ "sources": [{"answer": "no"}], "answer": "yes" }', "yes"),
        ('{"answer": ""}', ""),
        ('{"answer": 42}', "42"),
        ('{"answer": {"a": [1, "x"]}}', '{"a": [1, "x"]}'),
        ('{"answer": null}', "null"),
        ('{"answer": "first", "answer": "second"}', "first"),
        ('{"answer": "cut sho', "cut sho"),
        ('{"answer": "cut \\', "cut "),
        ('{"answer": "\\ud83d', "\ufffd"),
        ('{"answer": "\\ud83dx', "\ufffdx"),
        ('{"answer": "say "hi" now"}', "say "),
        ('{"answer": "', None),
        ('{"answer": ', None),
        ('{"text": "no"}', None),
        ("{}", None),
        ("", None),
        ("not JSON", None),
    ],
)
def test_what_the_value_is(grammar, said, source, expected):
    assert answer(grammar, said(source)) == expected


def final(at=0, said="yes", id_="") -> Tape:
    return call(at, "final_answer", f'{{"answer": "{said}"}}', id_)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (final(), "yes"),
        (text("I know it.") + final(), "yes"),
        (final() + text(" Anything else?"), "yes"),
        (call(0, "search", '{"answer": "no"}') + final(1), "yes"),
        (final(1) + call(0, "search", '{"answer": "no"}'), "yes"),
        (final(0) + final(1, "no"), "yes"),
        (final(1) + final(0, "no"), "yes"),
        (final(None) + final(None, "no"), "yes"),
        (final("lc_1") + final("lc_2", "no"), "yes"),
        # One index for all calls, as some compatible servers have it.
        (call(0, "search", '{"answer": "no"}', "a") + final(0, "yes", "b"), "yes"),
        (final(0, "yes", "b") + call(0, "search", '{"answer": "no"}', "a"), "yes"),
        (final(0, "yes", "a") + final(0, "no", "b"), "yes"),
        # The id in every piece.
        (call(0, "final_answer", '{"answer": "y', "a") + call(0, "", 'es"}', "a"), "yes"),
        # Interleaved.
        (
            call(0, "search", '{"q": "')
            + call(1, "final_answer", '{"answer": "y')
            + call(0, "", 'x"}')
            + call(1, "", 'es"}'),
            "yes",
        ),
        (call(0, "final_answer") + final(1, "no") + call(0, "", '{"answer": "yes"}'), "yes"),
        (text("Just talk, with no call."), None),
        (text('{"answer": "no"}'), None),
        (call(0, "search", '{"answer": "no"}'), None),
        (call(0, "Final_Answer", '{"answer": "no"}'), None),
        (call(0, "final_answer", '{"text": "no"}') + final(1, "no"), None),
        (thought('{"answer": "no"}'), None),
    ],
)
def test_which_call_is_the_answer(reply, expected):
    assert answer(ToolFilter, reply) == expected


def test_who_takes_the_index_of_the_answer_is_not_the_answer():
    grammar = ToolFilter()
    said = [
        ('{"answer": "y', "final_answer", "a", "y"),
        ("es", "", "", "es"),
        ("no", "search", "b", None),
        ("no", "", "", None),
    ]
    for args, name, id_, expected in said:
        deltas = grammar.feed(Chunk(calls=(CallDelta(0, name, args, id_),)))
        assert deltas == ([] if expected is None else [AnswerDelta(expected)])


def test_the_answer_tool_is_a_setting():
    reply = final(0, "no") + call(1, "respond", '{"answer": "no", "text": "yes"}')
    assert read(ToolFilter("respond", "text"), [reply]).answer == "yes"


def test_text_beside_calls_is_a_thought():
    reply = thought("Hm, ") + text("I will say \ud83d") + final() + text("\ude00 so.")
    assert read(ToolFilter(), reply).thought == "Hm, I will say 😀 so."


def test_one_token_of_several_calls_is_one_delta():
    first = CallDelta(0, "final_answer", '{"answer": "a')
    chunk = Chunk("So:", "Hm. ", (first, CallDelta(1, "search", "{"), CallDelta(0, "", "b")))
    assert ToolFilter().feed(chunk) == [ThoughtDelta("Hm. So:"), AnswerDelta("ab")]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (text('```json\n{"answer": "yes"}\n```'), "yes"),
        (text('Here:\n```\n{"answer": "yes"}'), "yes"),
        (text('Here: {"answer": "no"}'), None),
        (text('[{"answer": "yes"}]'), "yes"),
        (phase("commentary") + text('{"answer": "no"}'), None),
        (
            phase("commentary") + text("Hm.") + phase("final_answer") + text('{"answer": "yes"}'),
            "yes",
        ),
        (text("I look it up.") + call(0, "Answer", '{"answer": "yes"}'), "yes"),
        (call(0, "a", '{"answer": "yes"}') + call(1, "b", '{"answer": "no"}'), "yes"),
        (call(0, "a", '{"x": 1}') + call(1, "b", '{"answer": "yes"}'), "yes"),
        (call(0, "a", '{"answer": "y') + text('{"answer": "no"}') + call(0, "", 'es"}'), "yes"),
        (text('{"answer": "yes"}') + call(0, "a", '{"answer": "no"}'), "yes"),
        (call(0, "a", '{"answer": "\\ud83d') + text("Hm."), "\ufffd"),
    ],
)
def test_which_field_is_the_answer(reply, expected):
    assert answer(StructuredFilter, reply) == expected


def test_the_field_and_the_schema_are_settings():
    reply = call(0, "search", '{"reply": "no"}') + call(1, "Output", '{"reply": "yes"}')
    assert read(StructuredFilter("reply", "Output"), [reply]).answer == "yes"
    assert read(StructuredFilter("reply"), [text('{"reply": "yes"}')]).answer == "yes"


def test_reasoning_and_commentary_beside_an_output_are_thoughts():
    reply = thought("Hm. ") + phase("commentary") + text("I look.") + phase("final_answer")
    whole = read(StructuredFilter(), reply + text('{"answer": "yes"}'))
    assert (whole.answer, whole.thought) == ("yes", "Hm. I look.")


# `message`

LOOK = "Let me look that up."


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            [Chunk("4\ud83d", calls=(CallDelta(0),), phase="final_answer")],
            [AnswerDelta("4"), AnswerDelta("\ufffd")],
        ),
        ([Chunk("Par"), Chunk(), Chunk("is.")], ["Par", "is.", AnswerConfirmed()]),
        ([Chunk(LOOK), Chunk(calls=(CallDelta(0, "f"),))], [LOOK, AnswerRetracted()]),
        (
            [Chunk(LOOK, calls=(CallDelta(0, "f"),)), Chunk("\nDone.")],
            [LOOK, AnswerRetracted(), ThoughtDelta("\nDone.")],
        ),
        ([Chunk(calls=(CallDelta(0, "f"),)), Chunk(LOOK)], [ThoughtDelta(LOOK)]),
        ([Chunk(thought="Hm."), Chunk("4")], [ThoughtDelta("Hm."), "4", AnswerConfirmed()]),
        ([Chunk("4", "Hm.")], [ThoughtDelta("Hm."), "4", AnswerConfirmed()]),
        (
            [Chunk(phase="final_answer"), Chunk("4"), Chunk("2")],
            [AnswerDelta("4"), AnswerDelta("2")],
        ),
        (
            [Chunk("4", phase="final_answer"), Chunk("2", phase="final_answer")],
            [AnswerDelta("4"), AnswerDelta("2")],
        ),
        (
            [Chunk(LOOK, phase="commentary"), Chunk("4", phase="final_answer")],
            [ThoughtDelta(LOOK), AnswerDelta("4")],
        ),
        (
            [Chunk(LOOK), Chunk("4", phase="final_answer")],
            [LOOK, AnswerRetracted(), AnswerDelta("4")],
        ),
        (
            [Chunk("4", phase="final_answer"), Chunk(calls=(CallDelta(0, "f"),)), Chunk("5")],
            [AnswerDelta("4"), ThoughtDelta("5")],
        ),
        (
            [Chunk("4"), Chunk(LOOK, phase="commentary")],
            ["4", ThoughtDelta(LOOK), AnswerConfirmed()],
        ),
        ([Chunk("4", phase="of the moon")], ["4", AnswerConfirmed()]),
        (
            [Chunk("4", phase="final_answer"), Chunk(phase="of the moon"), Chunk("5")],
            [AnswerDelta("4"), "5", AnswerConfirmed()],
        ),
        ([Chunk("\ud83d"), Chunk("\ude00")], ["😀", AnswerConfirmed()]),
        ([Chunk("\ud83d"), Chunk("x")], ["\ufffdx", AnswerConfirmed()]),
        ([Chunk("\ud83d")], ["\ufffd", AnswerConfirmed()]),
        (
            [Chunk("\ud83d"), Chunk(calls=(CallDelta(0),)), Chunk("\ude00")],
            [ThoughtDelta("\ufffd")],
        ),
        (
            [Chunk("\ud83d", phase="final_answer"), Chunk(calls=(CallDelta(0),))],
            [AnswerDelta("\ufffd")],
        ),
        ([Chunk("\ud83d"), Chunk("4", phase="final_answer")], [AnswerDelta("4")]),
        ([Chunk(thought="\ud83d")], [ThoughtDelta("\ufffd")]),
        ([Chunk(calls=(CallDelta(0, "f"),)), Chunk(calls=(CallDelta(0, "", "{}"),))], []),
        ([Chunk("")], []),
    ],
)
def test_what_a_message_says(reply, expected):
    grammar = MessageFilter()
    deltas = [delta for chunk in reply for delta in grammar.feed(chunk)] + grammar.close()
    said = [
        AnswerDelta(each, certain=False) if isinstance(each, str) else each for each in expected
    ]
    assert deltas == said


@settings(max_examples=100, deadline=None)
@given(words, st.data())
def test_the_text_of_a_message_is_out_at_once(said, data):
    place = data.draw(st.integers(0, len(said)))
    whole, waiting = joined(said[:place]), "\ud800" <= said[place - 1 : place] <= "\udbff"
    assert (hear_all(MessageFilter(), said[:place]).answer or "") == whole[: len(whole) - waiting]


def test_a_tape_is_cut_and_joined_again():
    said = [
        Chunk("ab", "Hm", (CallDelta(0, "f", "{}"), CallDelta(None, "g", "{}")), "final_answer"),
        Chunk("c", calls=(CallDelta(0, "", "x", "id"),)),
    ]
    assert chunks(tape(*said)) == said
    assert len(tape(*said)) == 2 + 1 + 2 + 3 + 1 + 1 + 2
    assert chunks(tape()) == [Chunk()]
