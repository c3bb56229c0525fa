"""The layer that ends an answer before a stop sequence, over every cut of the text."""

from hypothesis import given
from hypothesis import strategies as st

from callbacks.filters.base import Chunk, understand
from callbacks.filters.json_chat import JsonChatFilter
from callbacks.filters.message import MessageFilter
from callbacks.filters.react import ReactFilter
from callbacks.filters.stops import StopAt, until_first
from callbacks.returned import plain
from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted
from tests.replies import blob

TEXT = st.text(alphabet="ab.\n😀", max_size=12)
# One that stands in another makes the other one needless.
STOPS = st.lists(
    st.text(alphabet="ab.\n😀", min_size=1, max_size=3), min_size=1, max_size=3, unique=True
).filter(lambda stop: not any(a != b and a in b for a in stop for b in stop))


@st.composite
def cuts(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def reference(stop: list[str], text: str) -> str:
    """Character by character, the slow way."""
    for end in range(len(text) + 1):
        for sequence in stop:
            if text[:end].endswith(sequence):
                return text[: end - len(sequence)]
    return text


@given(TEXT, STOPS, st.data())
def test_an_answer_ends_before_the_first_of_them(text: str, stop: list[str], data: st.DataObject):
    reader = StopAt(JsonChatFilter(), stop)
    reply = blob("Final Answer", text)
    deltas = [d for piece in data.draw(cuts(reply)) for d in reader.feed(Chunk(piece))]
    answer = understand([*deltas, *reader.close()]).answer or ""
    assert answer in {until_first(stop, text), reference(stop, text)}
    assert not any(sequence in answer for sequence in stop)


@given(TEXT, STOPS, st.data())
def test_uncertain_text_is_cut_too(text: str, stop: list[str], data: st.DataObject):
    reader = StopAt(MessageFilter(), stop)
    deltas = [d for piece in data.draw(cuts(text)) for d in reader.feed(Chunk(piece))]
    deltas += reader.close()
    assert all(not d.certain for d in deltas if isinstance(d, AnswerDelta))
    said = "".join(d.text for d in deltas if isinstance(d, AnswerDelta))
    assert said in {until_first(stop, text), reference(stop, text)}


class Said:
    """A grammar that says what it is told to."""

    def __init__(self, *deltas: object) -> None:
        self.deltas = list(deltas)

    def feed(self, chunk: Chunk) -> list:
        return self.deltas

    def close(self) -> list:
        return []


def test_what_is_held_is_said_before_it_is_confirmed():
    reader = StopAt(Said(AnswerDelta("a S", certain=False), AnswerConfirmed()), ["STOP"])
    assert reader.feed(Chunk("")) == [
        AnswerDelta("a ", certain=False),
        AnswerDelta("S", certain=False),
        AnswerConfirmed(),
    ]
    assert reader.close() == []


def test_a_stop_in_what_is_taken_back_is_forgotten():
    first = AnswerDelta("a STOP", certain=False)
    reader = StopAt(Said(first, AnswerRetracted(), AnswerDelta("b")), ["STOP"])
    assert reader.feed(Chunk("")) == [
        AnswerDelta("a ", certain=False),
        AnswerRetracted(),
        AnswerDelta("b"),
    ]


def test_the_rest_is_the_inner_grammars():
    reader = StopAt(ReactFilter(), ["x"])
    reader.feed(Chunk("Thought: hm"))
    reader.close()
    assert reader.attempted
    assert not StopAt(MessageFilter(), ["x"]).attempted
    text = plain(reader)
    assert isinstance(text, StopAt)
    assert understand([*text.feed(Chunk("a x b")), *text.close()]).answer == "a "
