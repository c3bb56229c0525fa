"""What a run's events come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStarted,
    SourceFound,
    ThoughtDelta,
    ToolFinished,
    ToolStarted,
    Usage,
)
from stream.transcript import Transcript

NOISE = [
    RunStarted("run", "thread"),
    ThoughtDelta("Hm"),
    ToolStarted("1", "calculator", "{}"),
    ToolFinished("1", "calculator", "4"),
]
SOURCE = SourceFound(1, "Title", "file.md", "words", 0.5)
PERHAPS = [AnswerDelta("b", certain=False), AnswerDelta("c", certain=False)]


def transcript(*events) -> Transcript:
    whole = Transcript()
    for event in events:
        whole.add(event)
    return whole


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ([], ""),
        (NOISE, ""),
        ([AnswerDelta("a"), *NOISE, AnswerDelta("b")], "ab"),
        ([AnswerDelta("a"), *PERHAPS], "a"),
        ([AnswerDelta("a"), *PERHAPS, AnswerConfirmed()], "abc"),
        ([AnswerDelta("a"), *PERHAPS, AnswerRetracted()], "a"),
        ([*PERHAPS, AnswerRetracted(), *PERHAPS, AnswerConfirmed()], "bc"),
        ([*PERHAPS, AnswerConfirmed(), AnswerRetracted()], "bc"),
    ],
)
def test_the_answer_is_what_is_certain(events, answer) -> None:
    assert transcript(*events).answer == answer


@pytest.mark.parametrize(
    ("end", "state", "finish_reason", "usage"),
    [
        (None, "running", None, Usage()),
        (RunCompleted("length", Usage(1, 2)), "completed", "length", Usage(1, 2)),
        (RunCompleted(), "completed", "stop", Usage()),
        (RunCancelled(Usage(1, 2)), "cancelled", "cancelled", Usage(1, 2)),
        (RunFailed("internal", "Oh."), "failed", None, Usage()),
    ],
)
def test_how_it_ended(end, state, finish_reason, usage) -> None:
    whole = transcript(*NOISE, *([end] if end else []))
    assert whole.end == end
    assert (whole.state, whole.finish_reason, whole.usage) == (state, finish_reason, usage)


def test_sources_in_order() -> None:
    other = SourceFound(2, "Other", "else.md", "words", 0.4)
    assert transcript(SOURCE, AnswerDelta("a"), other).sources == [SOURCE, other]
    assert transcript(SOURCE, AnswerRetracted(), other).sources == [SOURCE, other]
    assert transcript(SOURCE, AnswerRetracted(certain=True), other).sources == [other]


@given(st.lists(st.text()))
def test_no_character_is_lost(texts: list[str]) -> None:
    assert transcript(*map(AnswerDelta, texts)).answer == "".join(texts)
