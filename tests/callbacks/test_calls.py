"""Which calls speak to the user, and what each of them said."""

from uuid import UUID, uuid4

import pytest

from callbacks.calls import Calls
from callbacks.filters.base import ActionRead, Chunk, Delta
from callbacks.filters.json_chat import JsonChatFilter
from stream.errors import UnreadableReply
from stream.events import AnswerDelta
from tests.replies import blob, cut_text


class Verbatim:
    """A grammar in which everything is the answer."""

    def feed(self, chunk: Chunk) -> list[Delta]:
        return [AnswerDelta(chunk.text)]

    def close(self) -> list[Delta]:
        return [AnswerDelta(".")]


@pytest.fixture
def calls() -> Calls:
    return Calls(Verbatim)


def step(calls: Calls, parent: UUID | None = None, *, hides: bool = False) -> UUID:
    run_id = uuid4()
    calls.enter(run_id, parent, hides=hides)
    return run_id


def call(calls: Calls, parent: UUID | None = None, *tags: str) -> UUID:
    run_id = uuid4()
    calls.begin(run_id, parent, list(tags))
    return run_id


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, AnswerDelta))


@pytest.mark.parametrize("depth", range(3))
def test_a_call_of_the_agent_speaks(calls, depth: int) -> None:
    parent = None
    for _ in range(depth):
        parent = step(calls, parent)
    run_id = call(calls, parent)
    assert calls.speaker(run_id)
    assert text(calls.feed(run_id, "Hi")) == "Hi"


def test_so_does_one_of_a_step_that_nobody_told_of(calls) -> None:
    assert calls.speaker(call(calls, uuid4()))


@pytest.mark.parametrize("depth", range(3))
def test_a_call_inside_a_tool_or_retriever_does_not(calls, depth: int) -> None:
    parent = step(calls, step(calls), hides=True)
    for _ in range(depth):
        parent = step(calls, parent)
    run_id = call(calls, parent)
    assert not calls.speaker(run_id)
    assert calls.feed(run_id, "Hi") == calls.end(run_id, "Hi") == []


def test_a_step_inside_a_hidden_one_is_hidden_itself(calls) -> None:
    outer = uuid4()
    assert calls.enter(outer, None, hides=True), "what hides its inside is seen itself"
    assert not calls.enter(inner := uuid4(), outer, hides=True)
    assert not calls.enter(uuid4(), inner)
    assert calls.enter(uuid4(), None)


def test_a_call_beside_a_tool_speaks(calls) -> None:
    agent = step(calls)
    step(calls, agent, hides=True)
    assert calls.speaker(call(calls, agent))


def test_a_call_tagged_nostream_does_not_speak(calls) -> None:
    run_id = call(calls, None, "other", "nostream")
    assert not calls.speaker(run_id)
    assert calls.speaker(call(calls, None, "other"))
    calls.begin(untagged := uuid4(), None, None)
    assert calls.speaker(untagged)


def test_a_call_in_an_aside_does_not_speak(calls) -> None:
    hook = uuid4()
    assert calls.enter(hook, None, metadata={"langgraph_node": "Mine.before_model"})
    assert not calls.speaker(call(calls, step(calls, hook)))
    calls.begin(marked := uuid4(), None, None, {"lc_internal_call": "token"})
    assert not calls.speaker(marked)


def test_a_call_that_never_began(calls) -> None:
    assert calls.feed(uuid4(), "Hi") == calls.end(uuid4(), "Hi") == calls.fail(uuid4()) == []


def test_a_call_that_fails_is_made_again(calls) -> None:
    assert text(calls.feed(first := call(calls), "Hi")) == "Hi"
    assert calls.fail(first) == calls.feed(first, "Hi") == []
    assert not calls.speaker(first)
    assert text(calls.feed(call(calls), "Hi there")) == " there"


def test_after_two_different_answers_no_call_begins(calls) -> None:
    calls.end(call(calls), "Hi")
    with pytest.raises(UnreadableReply):
        calls.feed(call(calls), "Ho")
    with pytest.raises(UnreadableReply):
        call(calls)
    hidden = step(calls, hides=True)
    assert not calls.speaker(call(calls, hidden)), "what does not speak is let alone"


def test_interleaved_calls_do_not_mix() -> None:
    calls = Calls(JsonChatFilter)
    inputs = {call(calls): f"Input {n}: {'x' * n}" for n in range(20)}
    tokens = {run_id: cut_text(blob("tool", text), 3) for run_id, text in inputs.items()}
    read = {run_id: [] for run_id in inputs}
    for turn in range(max(map(len, tokens.values()))):
        for run_id, its_tokens in tokens.items():
            read[run_id] += calls.feed(run_id, (its_tokens[turn:] or [""])[0])
    for run_id in inputs:
        read[run_id] += calls.end(run_id, "not this")
        assert not calls.speaker(run_id)
    assert read == {run_id: [ActionRead("tool", text)] for run_id, text in inputs.items()}


def test_a_model_that_does_not_stream_is_heard_at_the_end(calls) -> None:
    assert text(calls.end(call(calls), "All at once")) == "All at once."


def test_empty_tokens_are_not_speech(calls) -> None:
    run_id = call(calls)
    assert text(calls.feed(run_id, "")) == ""
    assert text(calls.feed(run_id, [])) == ""
    assert text(calls.end(run_id, "All at once")) == "All at once."


def test_a_model_that_streams_is_not_heard_twice(calls) -> None:
    run_id = call(calls)
    assert text(calls.feed(run_id, "Hi")) == "Hi"
    assert text(calls.end(run_id, "Hi")) == "."
    assert calls.end(run_id, "Hi") == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], ""),
        (["a", "b"], "ab"),
        ([{"type": "text", "text": "a"}, "b", {"type": "text", "text": "c"}], "abc"),
        ([{"type": "text"}, {"type": "text", "text": None}], ""),
        ([{"type": "reasoning", "text": "Hm"}, {"text": "no type"}], ""),
        ([{"type": "image_url", "image_url": "..."}, {"type": "text", "text": "a"}], "a"),
    ],
)
def test_the_text_of_content_blocks(calls, content: list, expected: str) -> None:
    assert text(calls.feed(call(calls), content)) == expected
