"""What holds for every grammar in the registry."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callbacks.filters import until
from callbacks.filters.base import Chunk, TextFilter, understand
from callbacks.filters.registry import FILTERS, LAYERS, grammar
from callbacks.filters.seeker import Seeker
from tests.callbacks.filters.reading import Reading, cuts, encodable, feed, hear, hear_all, read
from tests.callbacks.filters.samples import SAMPLES
from tests.callbacks.filters.tape import chunks
from tests.callbacks.filters.text_samples import FORMATS

# Names that share a grammar share its tests.
GRAMMARS = sorted(
    {FILTERS.get(name, name): name for name in sorted(SAMPLES, reverse=True)}.values()
)
every_grammar = pytest.mark.parametrize("name", GRAMMARS)
every_text_grammar = pytest.mark.parametrize(
    "name", [name for name in GRAMMARS if name.rpartition("+")[2] in {*FORMATS, "json_chat"}]
)
thorough = settings(max_examples=120, deadline=None)


def test_every_grammar_has_samples():
    layered = [name for name in SAMPLES if "+" in name]
    assert SAMPLES.keys() - layered == FILTERS.keys()
    assert {layer for name in layered for layer in name.split("+")[:-1]} == LAYERS.keys()


@every_grammar
@thorough
@given(data=st.data())
def test_an_answer_is_streamed_without_leak_or_loss(name, data):
    sample = data.draw(SAMPLES[name].answers)
    pieces = data.draw(cuts(sample.text))
    assert read(grammar(name)(), pieces) == Reading(sample.answer, None)
    assert encodable(sample.answer)


@every_grammar
@thorough
@given(data=st.data())
def test_an_action_streams_nothing_and_is_read_once(name, data):
    sample = data.draw(SAMPLES[name].actions)
    pieces = data.draw(cuts(sample.text))
    assert read(grammar(name)(), pieces) == Reading(None, sample.action)
    assert sample.action is None or encodable(sample.action.input)


@every_grammar
@thorough
@given(data=st.data())
def test_any_text_reads_the_same_however_it_is_cut(name, data):
    text = data.draw(SAMPLES[name].noise)
    pieces = data.draw(cuts(text))
    whole = read(grammar(name)(), [text])
    with_empty_tokens = [piece for char in text for piece in (char, "")]
    for way in (pieces, with_empty_tokens):
        again = read(grammar(name)(), way)
        assert (again, again.thought) == (whole, whole.thought)
    reader = grammar(name)()
    deltas = [delta for call in feed(reader, [text]) for delta in call] + reader.close()
    assert tuple(understand(deltas)) == (whole.answer, whole.action)


@every_grammar
@thorough
@given(data=st.data())
def test_what_is_out_does_not_depend_on_the_cut(name, data):
    text = data.draw(SAMPLES[name].noise | SAMPLES[name].answers.map(lambda s: s.text))
    place = data.draw(st.integers(0, len(text)))
    assert hear_all(grammar(name)(), text[:place]) == hear_all(grammar(name)(), [text[:place]])


@every_grammar
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_reply_cut_short_anywhere_gives_a_prefix_of_the_answer(name, data):
    sample = data.draw(SAMPLES[name].answers)
    reader, deltas = grammar(name)(), []
    for end, char in enumerate(sample.text, 1):
        deltas += [delta for call in feed(reader, [char]) for delta in call]
        out = hear(deltas).answer or ""
        assert sample.answer.startswith(out)
        cut_short = read(grammar(name)(), [sample.text[:end]])
        assert cut_short.action is None
        assert (cut_short.answer or "").startswith(out)
        rest = (cut_short.answer or "")[len(out) :]
        held = "".join(chunk.text for chunk in chunks(sample.text[:end])).endswith(rest)
        assert held or rest == "\ufffd", "nothing waits for the end but a mark that may have begun"
    assert out == sample.answer


@every_grammar
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_action_cut_short_is_the_action_or_nothing(name, data):
    sample = data.draw(SAMPLES[name].actions)
    for end in range(len(sample.text)):
        cut_short = read(grammar(name)(), [sample.text[:end]])
        assert cut_short in (Reading(None, None), Reading(None, sample.action))
        if end < sample.end:
            assert cut_short.action is None


def attempted(name, pieces):
    reader = grammar(name)()
    read(reader, pieces)
    return reader.attempted


def test_these_are_written_out_as_text():
    text = {name for name in FILTERS if isinstance(grammar(name)(), TextFilter)}
    assert text == {*FORMATS, "json_chat", "structured_chat", "harmony"}
    assert not attempted("think+message", ["<think>Action: f</think>"])


@every_text_grammar
@thorough
@given(data=st.data())
def test_an_attempt_is_one_however_it_is_cut(name, data):
    text = data.draw(SAMPLES[name].noise)
    assert attempted(name, [text]) == attempted(name, data.draw(cuts(text)))


@every_text_grammar
@thorough
@given(data=st.data())
def test_an_action_that_lacks_its_end_is_an_attempt(name, data):
    sample = data.draw(SAMPLES[name].actions)
    assert attempted(name, data.draw(cuts(sample.text[: sample.end - 1])))


@every_grammar
def test_nothing_comes_of_nothing(name):
    assert read(grammar(name)(), []) == Reading(None, None)
    assert read(grammar(name)(), ["", ""]) == Reading(None, None)


@every_grammar
@pytest.mark.parametrize(("cut", "size"), [(list, 250), (lambda text: [text], 5_000)])
def test_the_cost_of_a_character_does_not_grow(name, cut, size):
    def cost(text: str) -> float:
        begin = time.process_time()
        read(grammar(name)(), cut(text))
        return time.process_time() - begin

    small, large = SAMPLES[name].endless(size), SAMPLES[name].endless(size * 8)
    for little, much in zip(small, large, strict=True):
        cheap = max(min(cost(little) for _ in range(2)), 0.001)
        assert min(cost(much) for _ in range(2)) < cheap * 8 * 3, much[:80]


def counted(search, count):
    def counting(text, at=0):
        found = search(text, at)
        count(text[at : found.end() if found else len(text)])
        return found

    return counting


@every_grammar
@pytest.mark.parametrize("cut", [list, lambda text: [text]])
def test_a_character_is_looked_at_a_few_times_only(name, cut, monkeypatch):
    seen: list[str] = []
    make, patterns = Seeker.__init__, until._patterns

    def counting_seeker(self, *args):
        make(self, *args)
        self._search, self._begun = (counted(f, seen.append) for f in (self._search, self._begun))

    def counting_until(*marks):
        found = patterns(*marks)
        return found._replace(end=counted(found.end, seen.append))

    monkeypatch.setattr(Seeker, "__init__", counting_seeker)
    monkeypatch.setattr(until, "_patterns", counting_until)
    per_character = []
    for size in (500, 4_000):
        texts = SAMPLES[name].endless(size)
        seen.clear()
        for text in texts:
            read(grammar(name)(), cut(text))
        per_character.append(sum(map(len, seen)) / sum(map(len, texts)))
    assert per_character[1] <= per_character[0] * 1.1
    assert per_character[1] < 70  # the longest mark there is, and a bit


@every_grammar
def test_what_is_passed_over_is_not_kept(name):
    reader, token = grammar(name)(), Chunk("I think, therefore ")
    for _ in range(1_000):  # what the interpreter keeps is not ours
        reader.feed(token)
    tracemalloc.start()
    try:
        for _ in range(10_000):
            reader.feed(token)
        assert tracemalloc.get_traced_memory()[1] < 50_000
    finally:
        tracemalloc.stop()
