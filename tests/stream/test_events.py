"""Events are values."""

import copy
import dataclasses
import pickle
from typing import get_args

import mypy.api
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
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
from stream.log import is_end

EVENTS = [
    RunStarted("run", "thread"),
    AnswerDelta("Hi"),
    AnswerConfirmed(),
    AnswerRetracted(),
    ThoughtDelta("Hm"),
    ToolStarted("1", "calculator", "{}"),
    ToolFinished("1", "calculator", "4"),
    SourceFound(1, "Title", "file.md", "words", 0.5),
    RunCompleted(),
    RunFailed("internal", "Oh."),
    RunCancelled(),
]
USAGES = st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9))


def test_these_are_all() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
class TestEvent:
    def test_has_no_room_for_more(self, event) -> None:
        assert not hasattr(event, "__dict__")
        with pytest.raises(AttributeError):
            event.more = None

    def test_is_equal_to_its_copies(self, event) -> None:
        for other in (copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
            assert other == event
            assert hash(other) == hash(event)

    def test_is_not_equal_to_another_or_to_a_tuple(self, event) -> None:
        fields = [field.name for field in dataclasses.fields(event)]
        values = [getattr(event, name) for name in fields]
        assert event != tuple(values)
        for name in fields:
            assert dataclasses.replace(event, **{name: "another"}) != event
        assert type(event).__match_args__ == tuple(fields)

    def test_is_named_like_its_class(self, event) -> None:
        words = event.type.split("_")
        assert "".join(word.capitalize() for word in words) == type(event).__name__

    def test_ends_the_run_or_does_not(self, event) -> None:
        ends = {"run_completed", "run_failed", "run_cancelled"}
        assert is_end(event) == (event.type in ends)


def test_the_type_checker_freezes_what_python_does_not() -> None:
    code = [
        "from stream.events import AnswerDelta",
        "delta = AnswerDelta('Hi')",
        "print(delta.text, delta.__slots__)",
        "delta.text = 'Ho'",
    ]
    options = ["--strict", "--config-file=", "--no-incremental"]
    said, _, _ = mypy.api.run([*options, "-c", "\n".join(code)])
    assert said.startswith('<string>:4: error: Property "text"')
    assert "Found 1 error" in said


@given(USAGES, USAGES, USAGES)
def test_usage_adds_up(a: Usage, b: Usage, c: Usage) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Usage() == a
    assert (a + b).total_tokens == a.total_tokens + b.total_tokens
    assert a.total_tokens == a.input_tokens + a.output_tokens
