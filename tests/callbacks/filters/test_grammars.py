"""What holds for every grammar in the registry."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callbacks.filters.base import Chunk, read_reply
from callbacks.filters.registry import FILTERS
from tests.callbacks.filters.reading import Reading, certain, cuts, encodable, feed, read
from tests.callbacks.filters.samples import SAMPLES

# Names that share a grammar share its tests.
GRAMMARS = sorted({FILTERS[name]: name for name in sorted(FILTERS, reverse=True)}.values())
every_grammar = pytest.mark.parametrize("name", GRAMMARS)
thorough = settings(max_examples=250, deadline=None)


def test_every_grammar_has_samples():
    assert SAMPLES.keys() == FILTERS.keys()


@every_grammar
@thorough
@given(data=st.data())
def test_an_answer_is_streamed_without_leak_or_loss(name, data):
    sample = data.draw(SAMPLES[name].answers)
    pieces = data.draw(cuts(sample.text))
    assert read(FILTERS[name](), pieces) == Reading(sample.answer, None)
    assert encodable(sample.answer)


@every_grammar
@thorough
@given(data=st.data())
def test_an_action_streams_nothing_and_is_read_once(name, data):
    sample = data.draw(SAMPLES[name].actions)
    pieces = data.draw(cuts(sample.text))
    assert read(FILTERS[name](), pieces) == Reading(None, sample.action)
    assert encodable(sample.action.input)


@every_grammar
@thorough
@given(data=st.data())
def test_any_text_reads_the_same_however_it_is_cut(name, data):
    text = data.draw(SAMPLES[name].noise)
    pieces = data.draw(cuts(text))
    whole = read(FILTERS[name](), [text])
    assert read(FILTERS[name](), pieces) == whole
    assert read(FILTERS[name](), "".join(f"{char}\0" for char in text).split("\0")) == whole
    assert tuple(read_reply(FILTERS[name](), text)) == (whole.answer, whole.action)


@every_grammar
@thorough
@given(data=st.data())
def test_what_is_out_does_not_depend_on_the_cut(name, data):
    text = data.draw(SAMPLES[name].noise | SAMPLES[name].answers.map(lambda s: s.text))
    place = data.draw(st.integers(0, len(text)))
    by_character = [d for call in feed(FILTERS[name](), text[:place]) for d in call]
    assert certain(FILTERS[name](), text[:place]) == "".join(
        getattr(delta, "text", "") for delta in by_character
    )


@every_grammar
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_reply_cut_short_anywhere_gives_a_prefix_of_the_answer(name, data):
    sample = data.draw(SAMPLES[name].answers)
    grammar, out = FILTERS[name](), ""
    for end, char in enumerate(sample.text, 1):
        out += "".join(delta.text for delta in grammar.feed(Chunk(char)))
        assert sample.answer.startswith(out)
        cut_short = read(FILTERS[name](), [sample.text[:end]])
        assert cut_short.action is None
        rest = (cut_short.answer or "").removeprefix(out)
        assert rest in ("", "\ufffd"), "nothing but half a surrogate pair waits for the end"
    assert out == sample.answer


@every_grammar
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_action_cut_short_is_the_action_or_nothing(name, data):
    sample = data.draw(SAMPLES[name].actions)
    for end in range(len(sample.text)):
        assert read(FILTERS[name](), [sample.text[:end]]) in (
            Reading(None, None),
            Reading(None, sample.action),
        )
        if end < sample.end:
            assert read(FILTERS[name](), [sample.text[:end]]).action is None


@every_grammar
def test_nothing_comes_of_nothing(name):
    assert read(FILTERS[name](), []) == Reading(None, None)
    assert read(FILTERS[name](), ["", ""]) == Reading(None, None)


@every_grammar
@pytest.mark.parametrize(("cut", "size"), [(list, 1_000), (lambda text: [text], 20_000)])
def test_the_cost_of_a_character_does_not_grow(name, cut, size):
    def cost(text: str) -> float:
        begin = time.process_time()
        read(FILTERS[name](), cut(text))
        return time.process_time() - begin

    small, large = SAMPLES[name].endless(size), SAMPLES[name].endless(size * 8)
    for little, much in zip(small, large, strict=True):
        cheap = max(min(cost(little) for _ in range(2)), 0.001)
        assert min(cost(much) for _ in range(2)) < cheap * 8 * 3, much[:80]


@every_grammar
def test_what_is_passed_over_is_not_kept(name):
    grammar = FILTERS[name]()
    tracemalloc.start()
    try:
        for _ in range(20_000):
            grammar.feed(Chunk("I think, therefore "))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
