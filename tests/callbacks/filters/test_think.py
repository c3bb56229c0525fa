"""The `think` layer, and names of grammars with layers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callbacks.filters.base import AnswerFilter, CallDelta, Chunk, Delta
from callbacks.filters.message import MessageFilter
from callbacks.filters.registry import FILTERS, grammar
from callbacks.filters.think import ThinkFilter
from stream.events import AnswerDelta, AnswerRetracted, ThoughtDelta
from tests.callbacks.filters import native_reference as naive
from tests.callbacks.filters.json_chat_samples import DECOY
from tests.callbacks.filters.native_samples import noise as native_noise
from tests.callbacks.filters.reading import Reading, common_prefix, cuts, hear_all, read
from tests.callbacks.filters.think_samples import noise_of
from tests.replies import final


class Verbatim:
    """A grammar in which everything is the answer."""

    def __init__(self) -> None:
        self.text = ""

    def feed(self, chunk: Chunk) -> list[Delta]:
        self.text += chunk.text
        return [AnswerDelta(chunk.text)] if chunk.text else []

    def close(self) -> list[Delta]:
        return []


def think(*, opened: bool = False) -> AnswerFilter:
    return ThinkFilter(Verbatim(), opened=opened)


def said(text: str, *, opened: bool = False) -> tuple[str, str]:
    """The thought, and what is left."""
    whole = read(think(opened=opened), [text])
    again = read(think(opened=opened), text)
    assert (again, again.thought) == (whole, whole.thought)
    return whole.thought, whole.answer or ""


noise = noise_of(st.text(st.sampled_from("<think>/ \nx\ud83d\ude00"), max_size=8))


@settings(max_examples=200, deadline=None)
@given(noise, st.booleans(), st.data())
def test_agrees_with_a_naive_reader(text, opened, data):
    got = read(think(opened=opened), data.draw(cuts(text)))
    assert (got.thought, got.answer or "") == naive.think(text, opened=opened)


@settings(max_examples=150, deadline=None)
@given(noise_of(native_noise), st.sampled_from(["think+tool", "think_opened+message"]), st.data())
def test_what_else_a_provider_says_passes_however_it_is_cut(reply, name, data):
    whole = read(grammar(name)(), [reply])
    again = read(grammar(name)(), data.draw(cuts(reply)))
    assert (again, again.thought) == (whole, whole.thought)
    place = data.draw(st.integers(0, len(reply)))
    by_character, at_once = reply[:place], [reply[:place]]
    assert hear_all(grammar(name)(), by_character) == hear_all(grammar(name)(), at_once)


WAYS = [
    "",
    "x",
    " x",
    "\ude00x",
    *("<think>x"[i:] for i in range(7)),
    *("</think>x"[i:] for i in range(8)),
]


@settings(max_examples=150, deadline=None)
@given(noise, st.booleans())
def test_a_character_is_out_as_soon_as_nothing_can_change_it(text, opened):
    for place in range(len(text) + 1):
        ways = [naive.think(text[:place] + way, opened=opened) for way in WAYS]
        out = hear_all(think(opened=opened), [text[:place]])
        assert out.thought == common_prefix(thought for thought, _ in ways)
        assert (out.answer or "") == common_prefix(rest for _, rest in ways)


@pytest.mark.parametrize(
    ("text", "thought", "rest"),
    [
        ("<think>\nEasy.\n</think>\n\nParis.", "\nEasy.\n", "Paris."),
        ("\n <think>Hm</think>Paris.", "Hm", "Paris."),
        ("<think>\n\n</think>\n\nParis.", "\n\n", "Paris."),
        ("<think></think>Paris.", "", "Paris."),
        ("Paris.", "", "Paris."),
        ("\n\nParis.", "", "Paris."),
        ("<thinking>Paris.", "", "<thinking>Paris."),
        ("<Think>Paris.", "", "<Think>Paris."),
        ("<thi", "", "<thi"),
        ("Paris. <think>Hm</think>", "", "Paris. <think>Hm</think>"),
        ("<think>a</think><think>b</think>c", "a", "<think>b</think>c"),
        ("<think>a <think> b </thin k></think>c", "a <think> b </thin k>", "c"),
        ("<think>and so on", "and so on", ""),
        ("<think>and so on </thi", "and so on </thi", ""),
        ("<think>\ud83d</think>\ude00", "\ufffd", "\ude00"),
        ("<think>\ud83d", "\ufffd", ""),
        ("Hm</think>Paris.", "", "Hm</think>Paris."),
        (" \n", "", ""),
    ],
)
def test_a_block_at_the_start_is_a_thought(text, thought, rest):
    assert said(text) == (thought, rest)


@pytest.mark.parametrize(
    ("text", "thought", "rest"),
    [
        ("\nEasy.\n</think>\n\nParis.", "Easy.\n", "Paris."),
        ("<think>Easy.</think>Paris.", "Easy.", "Paris."),
        ("</think>Paris.", "", "Paris."),
        ("<thinner</think>Paris.", "<thinner", "Paris."),
        ("and so on", "and so on", ""),
        ("<thi", "<thi", ""),
        ("", "", ""),
    ],
)
def test_a_block_that_the_prompt_opened(text, thought, rest):
    assert said(text, opened=True) == (thought, rest)


def test_a_fake_answer_in_a_thought_stays_a_thought():
    text = f"<think>\n```json\n{DECOY}\n```\n</think>\n"
    got = read(grammar("think+json_chat")(), text + final("yes"))
    assert got == Reading("yes", None)
    assert DECOY in got.thought


def test_labelled_reasoning_is_a_thought_wherever_it_comes():
    reader = think()
    assert reader.feed(Chunk(thought="Hm.")) == [ThoughtDelta("Hm.")]
    assert reader.feed(Chunk("\n\nA", "So:")) == [ThoughtDelta("So:"), AnswerDelta("A")]
    assert reader.feed(Chunk(" \n", "Hm.")) == [ThoughtDelta("Hm."), AnswerDelta(" \n")]
    assert reader.feed(Chunk(thought="\ud83d")) == []
    assert reader.close() == [ThoughtDelta("\ufffd")]


def test_everything_else_goes_to_the_inner_grammar():
    reader = ThinkFilter(MessageFilter())
    call = CallDelta(0, "f", "{}")
    assert reader.feed(Chunk("<think>Hm</think>", phase="commentary")) == [ThoughtDelta("Hm")]
    assert reader.feed(Chunk(" I look.")) == [ThoughtDelta("I look.")]
    assert reader.feed(Chunk("4", phase="of the moon")) == [AnswerDelta("4", certain=False)]
    assert reader.feed(Chunk("2", calls=(call,)))[1:] == [AnswerRetracted()]
    assert reader.close() == []


# Names.


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_a_plain_name_is_the_grammar_itself(name):
    assert grammar(name) is FILTERS[name]


def test_layers_are_named_before_the_grammar():
    twice = read(grammar("think+think_opened+message")(), ["<think>a</think>b</think>c"])
    assert (twice.thought, twice.answer) == ("ab", "c")
    assert read(grammar("think_opened+json_chat")(), f"Hm</think>{final('4')}").answer == "4"


@pytest.mark.parametrize(
    "name", ["", "nope", "think", "think+", "+react", "nope+tool", "tool+think"]
)
def test_an_unknown_name_is_told_the_known_ones(name):
    with pytest.raises(ValueError, match=r"one of json_chat, .*after `think\+` or") as caught:
        grammar(name)
    assert repr(name) in str(caught.value)
