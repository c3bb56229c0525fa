"""The `harmony` grammar: against a naive reader, and on what gpt-oss writes."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callbacks.filters.base import ActionRead, Chunk
from callbacks.filters.harmony import LONGEST_HEADER, HarmonyFilter
from stream.events import AnswerDelta, ThoughtDelta
from tests.callbacks.filters.harmony_reference import read_whole
from tests.callbacks.filters.harmony_samples import (
    DECOY,
    ENDS,
    answers,
    noise,
    tokens,
)
from tests.callbacks.filters.reading import Reading, certain, common_prefix, cuts, read

ANALYSIS = "<|channel|>analysis<|message|>The user asks. Simple.<|end|>"
START = "<|start|>assistant"
FINAL = START + "<|channel|>final<|message|>"
TO_WEATHER = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
WEATHER = ActionRead("get_weather", {"city": "Köln"})


def reply(text: str) -> Reading:
    whole = read(HarmonyFilter(), [text])
    assert read(HarmonyFilter(), text) == whole
    assert read(HarmonyFilter(), tokens(text)) == whole
    return whole


@settings(max_examples=250, deadline=None)
@given(noise, st.data())
def test_agrees_with_a_naive_reader_on_any_text(text, data):
    got, naive = read(HarmonyFilter(), data.draw(cuts(text))), read_whole(text)
    assert (got, got.thought) == (naive, naive.thought)


def test_agrees_with_a_naive_reader_on_every_arrangement_of_tokens():
    parts = [
        "<|start|>",
        "assistant",
        "<|channel|>",
        "final",
        " to=f",
        "<|message|>",
        "<|end|>",
        "x",
    ]
    for count in range(6):
        for arrangement in itertools.product(parts, repeat=count):
            text = "".join(arrangement)
            assert read(HarmonyFilter(), [text]) == read_whole(text), text


# What may come next: each makes a token, or spoils one.
INSERTIONS = ["", "x", "\ude00", *{end[i:] for end in ENDS for i in range(len(end))}]


@settings(max_examples=150, deadline=None)
@given(answers(), st.data())
def test_a_character_is_out_as_soon_as_nothing_can_change_it(sample, data):
    near = st.integers(sample.start, min(sample.end + 9, len(sample.text)))
    prefix = sample.text[: data.draw(near | st.integers(0, len(sample.text)))]
    ways = [read_whole(prefix + way + tail) for way in INSERTIONS for tail in ("", "x")]
    soonest = common_prefix(way.answer or "" for way in ways)
    assert certain(HarmonyFilter(), prefix) == soonest


@pytest.mark.parametrize(
    ("text", "answer", "thought"),
    [
        # As the model writes it, with all that servers strip.
        (START + ANALYSIS + FINAL + "Paris.<|return|>", "Paris.", "The user asks. Simple."),
        (ANALYSIS + FINAL + "Paris.<|return|>", "Paris.", "The user asks. Simple."),
        (ANALYSIS + FINAL + "Paris.", "Paris.", "The user asks. Simple."),
        (FINAL + "Paris.<|end|>", "Paris.", ""),
        ("<|channel|>final<|message|>Paris.<|return|>", "Paris.", ""),
        # A preamble to the user is no final answer.
        (
            "<|channel|>commentary<|message|>I look.<|end|>" + FINAL + "4",
            "4",
            "I look.",
        ),
        # Structured output.
        (START + '<|channel|>final <|constrain|>json<|message|>{"a": 1}<|return|>', '{"a": 1}', ""),
        # The answer itself: any text, other tokens too.
        (
            FINAL + "  日本語 🤙 \ud83d\ude00\n<b>a < b</b> <|x|> <|en \n<|return|>",
            "  日本語 🤙 😀\n<b>a < b</b> <|x|> <|en \n",
            "",
        ),
        (
            FINAL + "A header is `<|start|>user<|message|>`.<|return|>",
            "A header is `<|start|>user<|message|>`.",
            "",
        ),
        (FINAL + "<|return|>", "", ""),
        (FINAL + "a <", "a <", ""),
        (FINAL + "a<|retur", "a<|retur", ""),
        (FINAL + "\ud83d<|return|>", "\ufffd", ""),
        (FINAL + "\ud83d", "\ufffd", ""),
        (FINAL + "\ud83d<|x", "\ufffd<|x", ""),
        (FINAL + "first<|end|>" + FINAL + "second<|return|>", "first", ""),
        # A fake is a fake.
        (ANALYSIS.replace("Simple.", DECOY) + FINAL + "4", "4", f"The user asks. {DECOY}"),
        ("<|start|>user<|channel|>final<|message|>no<|end|>" + FINAL + "4", "4", ""),
        ("<|start|>functions.f to=assistant<|channel|>final<|message|>no<|end|>", None, ""),
        ("<|channel|>finally<|message|>no<|return|>", None, "no"),
        (START + "<|message|>no<|return|>", None, "no"),
        # Nothing.
        (FINAL, None, ""),
        (START + "<|channel|>final", None, ""),
        ("Paris.", None, ""),
        ("analysisThe user asks.assistantfinalParis.", None, ""),
        ("<|channel|>analysis<|message|>cut sho", None, "cut sho"),
        ("<|channel|>analysis<|message|>cut <|en", None, "cut <|en"),
        ("<|channel|>analysis<|message|>\ud83d<|end|>", None, "\ufffd"),
    ],
)
def test_answers(text, answer, thought):
    got = reply(text)
    assert (got, got.thought) == (Reading(answer, None), thought)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (ANALYSIS + START + TO_WEATHER + '{"city": "Köln"}<|call|>', WEATHER),
        (TO_WEATHER + '{"city": "Köln"}<|call|>' + FINAL + "no", WEATHER),
        (TO_WEATHER + '{"city": "Köln"}', WEATHER),
        (TO_WEATHER + '{"city": "Köln"}<|end|>', WEATHER),
        (
            START + " to=functions.get_weather<|channel|>commentary json<|message|>"
            '{"city": "K\\u00f6ln"}<|call|>',
            WEATHER,
        ),
        (TO_WEATHER.replace("commentary", "analysis") + '{"city": "Köln"}<|call|>', WEATHER),
        (TO_WEATHER + "<|call|>", ActionRead("get_weather", {})),
        (TO_WEATHER + "null<|call|>", ActionRead("get_weather", {})),
        (TO_WEATHER + '["\\ud83d"]<|call|>', ActionRead("get_weather", ["\ufffd"])),
        (TO_WEATHER + '{"city": }<|call|>', ActionRead("get_weather", '{"city": }')),
        (
            "<|channel|>analysis to=python code<|message|>1 < 2<|call|>",
            ActionRead("python", "1 < 2"),
        ),
        ("<|channel|>commentary to=browser.open<|message|>{}", ActionRead("browser.open", {})),
        (TO_WEATHER + '{"city": "Köl', None),
        (TO_WEATHER + '"Köln"', None),
        (TO_WEATHER, None),
        ("<|channel|>commentary to=all<|message|>{}<|end|>", None),
        ("<|start|>user to=functions.f<|message|>{}<|call|>", None),
    ],
)
def test_actions(text, action):
    assert reply(text) == Reading(None, action)


def test_a_header_without_an_end_is_no_header():
    long = " " * LONGEST_HEADER + "<|channel|>final"
    assert reply(START + long + "<|message|>no<|return|>").answer is None
    assert reply("x" * LONGEST_HEADER + FINAL + "yes<|return|>").answer == "yes"


def test_reasoning_that_the_server_labels_is_a_thought():
    grammar = HarmonyFilter()
    assert grammar.feed(Chunk(FINAL + "a")) == [AnswerDelta("a")]
    assert grammar.feed(Chunk("b", "Hm.")) == [ThoughtDelta("Hm."), AnswerDelta("b")]
    assert grammar.feed(Chunk("", "\ud83d")) == []
    assert grammar.close() == [ThoughtDelta("\ufffd")]
