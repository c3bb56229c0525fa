"""Events and runs as JSON: what goes in comes out, and nothing else comes in."""

import dataclasses
import math
from datetime import UTC, datetime
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.codec import dump_events, dump_run, load_events, load_run
from stream.errors import StorageLost
from stream.events import Event, Usage
from stream.log import Run

ANY_TEXT = st.text(st.characters(codec=None))  # half surrogate pairs too
COUNT = st.integers(0, 2**40)
FIELDS = {
    str: ANY_TEXT,
    bool: st.booleans(),
    int: COUNT,
    float: st.floats(allow_nan=False),
    Usage: st.builds(Usage, COUNT, COUNT),
    tuple[int, ...]: st.lists(COUNT).map(tuple),
}


def any_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    hints = get_type_hints(kind)
    names = [each.name for each in dataclasses.fields(kind)]
    return st.builds(kind, **{name: FIELDS.get(hints[name], ANY_TEXT) for name in names})


EVENTS = st.lists(st.one_of([any_of(kind) for kind in get_args(Event)]))


@given(EVENTS)
def test_events_come_back_as_they_went(events: list[Event]) -> None:
    text = dump_events(events)
    assert text.isascii()
    assert load_events(text) == load_events(text.encode()) == events
    assert [type(event) for event in load_events(text)] == [type(event) for event in events]


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.type)
def test_every_type_is_known(kind: type[Event]) -> None:
    @given(any_of(kind))
    def comes_back(event: Event) -> None:
        assert load_events(dump_events([event])) == [event]

    comes_back()


def test_a_score_that_is_no_number_is_kept() -> None:
    text = '[{"type":"source_found","number":1,"title":"","location":"","passage":"","score":NaN}]'
    (found,) = load_events(text)
    assert math.isnan(found.score)  # type: ignore[union-attr]  the one above


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.datetimes(timezones=st.just(UTC)))
def test_runs_come_back_as_they_went(
    run_id: str, thread: str, whose: str, question: str, model: str, created: datetime
) -> None:
    run = Run(run_id, thread, whose, question, model, created)
    assert dump_run(run).isascii()
    assert load_run(dump_run(run)) == run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "1",
        "[1]",
        "[[]]",
        "[null]",
        '["x"]',
        "[{}]",
        '[{"type":"unknown"}]',
        '[{"type":"answer_delta"}]',
        '[{"type":"answer_delta","text":"a","more":1}]',
        '[{"type":"run_completed","usage":7}]',
        '[{"type":["answer_delta"]}]',
        b"\xff",
    ],
)
def test_what_is_no_event_of_ours(text: str | bytes) -> None:
    with pytest.raises(StorageLost):
        load_events(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"created": "yesterday"}',
        '{"created": 1}',
        '{"created": "2026-01-01", "id": "only"}',
        '{"created": "2026-01-01", "of": "a later version"}',
        b"\xff",
    ],
)
def test_what_is_no_run_of_ours(text: str | bytes) -> None:
    with pytest.raises(StorageLost):
        load_run(text)
