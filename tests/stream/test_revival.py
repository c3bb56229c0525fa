"""Which runs can begin anew, and what their readers are told before."""

import pytest

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
    RunStarted,
    SourceFound,
    ThoughtDelta,
    ToolFinished,
    ToolStarted,
)
from stream.revival import LOST, prelude
from stream.transcript import Transcript

START = RunStarted("run", "thread")
CERTAIN, UNCERTAIN = AnswerDelta("a"), AnswerDelta("b", certain=False)
TOOL = ToolStarted("1", "calculator", "{}")
SOURCE = SourceFound(1, "T", "t.md", "Words.", 1.0)
DONE = ToolFinished("1", "calculator", "2")


@pytest.mark.parametrize(
    ("said", "before"),
    [
        ([], []),
        ([START, ThoughtDelta("hm"), TOOL, DONE], []),
        ([START, TOOL], [ToolFinished("1", "calculator", LOST, failed=True)]),
        ([START, UNCERTAIN], [AnswerRetracted()]),
        ([START, UNCERTAIN, AnswerRetracted()], []),
        ([START, SOURCE], [AnswerRetracted(certain=True)]),
        ([START, SOURCE, AnswerRetracted(certain=True)], []),
        (
            [UNCERTAIN, TOOL],
            [ToolFinished("1", "calculator", LOST, failed=True), AnswerRetracted()],
        ),
    ],
)
def test_before_the_first_word_of_the_answer(said: list[Event], before: list[Event]) -> None:
    assert prelude(said) == before
    assert prelude(said, restart=True) == before


@pytest.mark.parametrize(
    "said", [[CERTAIN], [UNCERTAIN, AnswerConfirmed()], [START, CERTAIN, UNCERTAIN]]
)
def test_after_it_only_where_that_is_meant(said: list[Event]) -> None:
    assert prelude(said) is None
    assert prelude(said, restart=True) == [AnswerRetracted(certain=True)]
    transcript = Transcript()
    for event in [*said, *(prelude(said, restart=True) or ()), AnswerDelta("c")]:
        transcript.add(event)
    assert transcript.answer == "c"


def test_what_was_taken_back_already_does_not_count() -> None:
    assert prelude([CERTAIN, AnswerRetracted(certain=True)]) == []
    assert prelude([CERTAIN, AnswerRetracted()]) is None
