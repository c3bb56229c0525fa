"""Which calls speak to the user, and what each of them said."""

from uuid import UUID, uuid4

import pytest

from callbacks.calls import SILENT_TAG, Calls, text_of
from callbacks.filters.base import Chunk, Delta
from callbacks.filters.json_chat import JsonChatFilter
from stream.events import AnswerDelta
from tests.replies import cut_text, final


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


def test_a_call_of_the_agent_speaks(calls) -> None:
    for parent in (None, uuid4(), step(calls, step(calls))):
        run_id = call(calls, parent)
        assert calls.speaks(run_id)
        assert text(calls.feed(run_id, "Hi")) == "Hi"


@pytest.mark.parametrize("depth", range(3))
def test_a_call_inside_a_tool_or_retriever_does_not(calls, depth: int) -> None:
    parent = step(calls, step(calls), hides=True)
    for _ in range(depth):
        parent = step(calls, parent)
    run_id = call(calls, parent)
    assert not calls.speaks(run_id)
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
    assert calls.speaks(call(calls, agent))


def test_a_call_tagged_nostream_does_not_speak(calls) -> None:
    run_id = call(calls, None, "other", SILENT_TAG)
    assert not calls.speaks(run_id)
    assert calls.speaks(call(calls, None, "other"))
    calls.begin(untagged := uuid4(), None, None)
    assert calls.speaks(untagged)


def test_a_call_that_never_began(calls) -> None:
    assert calls.feed(uuid4(), "Hi") == calls.end(uuid4(), "Hi") == []


def test_interleaved_calls_do_not_mix() -> None:
    calls = Calls(JsonChatFilter)
    answers = {call(calls): f"Answer {n}: {'x' * n}" for n in range(20)}
    tokens = {run_id: cut_text(final(answer), 3) for run_id, answer in answers.items()}
    heard = dict.fromkeys(answers, "")
    for turn in range(max(map(len, tokens.values()))):
        for run_id, its_tokens in tokens.items():
            heard[run_id] += text(calls.feed(run_id, (its_tokens[turn:] or [""])[0]))
    for run_id in answers:
        heard[run_id] += text(calls.end(run_id, "not this"))
        assert not calls.speaks(run_id)
    assert heard == answers


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
    assert text_of(content) == expected
    assert text(calls.feed(call(calls), content)) == expected
