"""What is said on a socket, letter by letter, and what is understood there; no server yet."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import BadRequest, Busy, NotFound, ServerShutdown, StorageLost
from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    AnswerRetracted,
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStarted,
    ThoughtDelta,
    ToolStarted,
    Usage,
)
from stream.log import Entry
from tests.wire.test_sse import ALL, GOLDEN, HOSTILE, USAGE, entries
from wire.named import Extra
from wire.websocket.frames import FrameEncoder, WholeEncoder, error_frame, frames
from wire.websocket.requests import (
    MAX_ID,
    Ask,
    Cancel,
    Leave,
    Ping,
    Resume,
    SocketRequest,
    decoded,
    subject,
    understood,
)

# What the server says


def test_a_run_letter_by_letter():
    batch = entries(
        RunStarted("r", "t"),
        AnswerDelta("Hi", certain=False),
        AnswerConfirmed(),
        ToolStarted("c", "calculator", "1+1"),
        AnswerDelta("."),
        RunCompleted("stop", Usage(7, 5)),
    )
    assert FrameEncoder("r", name="q").encode(batch) == [
        '{"type":"start","id":"q","run_id":"r","cursor":"1","thread_id":"t"}',
        '{"type":"delta","run_id":"r","cursor":"2","text":"Hi","certain":false}',
        '{"type":"confirm","run_id":"r","cursor":"3"}',
        (
            '{"type":"tool","run_id":"r","cursor":"4","id":"c","name":"calculator",'
            '"state":"started","input":"1+1"}'
        ),
        '{"type":"delta","run_id":"r","cursor":"5","text":"."}',
        f'{{"type":"end","run_id":"r","cursor":"6","finish_reason":"stop","usage":{USAGE}}}',
    ]


@pytest.mark.parametrize(("event", "name", "data"), GOLDEN)
def test_each_event_is_told_as_over_sse(event: Event, name: str, data: str):
    (frame,) = FrameEncoder("r", ALL).encode(entries(event))
    assert json.loads(frame) == {"type": name, "run_id": "r", "cursor": "1", **json.loads(data)}


@pytest.mark.parametrize("extras", [(), *((extra,) for extra in ALL), ALL])
def test_extras_are_left_out_unless_wanted(extras: Sequence[Extra]):
    names = {"tool": "tools", "source": "sources", "thought": "thoughts"}
    for event, name, _ in GOLDEN:
        told = FrameEncoder("r", extras).encode(entries(event))
        assert bool(told) == (names.get(name, name) in extras or name not in names)


def test_a_heartbeat_is_no_frame():
    assert FrameEncoder("r").encode([]) == []


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        | st.sampled_from([text for text, _ in HOSTILE.values() if len(text) < 100])
    )
)
def test_any_words_arrive_as_they_were_said(words: list[str]):
    for encoder in (FrameEncoder("r"), WholeEncoder("r")):
        batch = entries(*map(AnswerDelta, words), RunCompleted())
        told = [json.loads(frame) for frame in encoder.encode(batch)]
        assert "".join(frame["text"] for frame in told[:-1]) == "".join(words)
        assert [frame["type"] for frame in told] == ["delta"] * (len(told) - 1) + ["end"]


WHOLE: dict[str, tuple[list[Event], list[tuple[str, str]]]] = {
    "an answer": (
        [RunStarted("r", "t"), AnswerDelta("a"), AnswerDelta("b"), RunCompleted()],
        [("1", "start"), ("3", "ab"), ("4", "end")],
    ),
    "a preamble": (
        [AnswerDelta("No", certain=False), AnswerRetracted(), AnswerDelta("a"), RunCompleted()],
        [("3", "a"), ("4", "end")],
    ),
    "what is confirmed": (
        [AnswerDelta("a", certain=False), AnswerConfirmed(), RunCompleted()],
        [("2", "a"), ("3", "end")],
    ),
    "never confirmed": (
        [AnswerDelta("a", certain=False), RunCancelled()],
        [("2", "end")],
    ),
    "as far as it went": ([AnswerDelta("a"), RunCancelled()], [("1", "a"), ("2", "end")]),
    "a failure": ([AnswerDelta("a"), RunFailed("busy", "")], [("2", "failed")]),
    "an end and nothing else": ([RunCompleted()], [("1", "end")]),
    "tools as they are called": (
        [ToolStarted("c", "n", "i"), AnswerDelta("a"), ThoughtDelta("Hm"), RunCompleted()],
        [("1", "tool"), ("3", "a"), ("4", "end")],
    ),
}


@pytest.mark.parametrize(("events", "told"), WHOLE.values(), ids=WHOLE)
def test_the_answer_in_one_piece(events: list[Event], told: list[tuple[str, str]]):
    batch = entries(*events)
    whole, single = WholeEncoder("r"), WholeEncoder("r")
    said = [json.loads(frame) for frame in whole.encode(batch)]
    assert [(frame["cursor"], frame.get("text", frame["type"])) for frame in said] == told
    one_by_one = [frame for entry in batch for frame in single.encode([entry])]
    assert [json.loads(frame) for frame in one_by_one] == said


@pytest.mark.parametrize("encoder", [FrameEncoder, WholeEncoder])
def test_both_tell_a_question_by_its_id(encoder: type[FrameEncoder]):
    batch = entries(RunStarted("r", "t"), RunCompleted())
    start, end = map(json.loads, encoder("r", (), "q").encode(batch))
    assert start["id"] == "q"
    assert "id" not in end


def test_errors_letter_by_letter():
    assert error_frame(NotFound("No."), {"id": "q", "run_id": "r"}) == (
        '{"type":"error","id":"q","run_id":"r","code":"not_found","message":"No.",'
        '"retryable":false}'
    )
    assert error_frame(BadRequest("is missing", field="text"), {}) == (
        '{"type":"error","code":"bad_request","message":"text: is missing","field":"text",'
        '"retryable":false}'
    )
    assert error_frame(Busy("Later.", retry_after=1), {}) == (
        '{"type":"error","code":"busy","message":"Later.","retryable":true,"retry_after":1}'
    )


async def _batches(*given: list[Entry] | Exception) -> AsyncGenerator[list[Entry], None]:
    for batch in given:
        if isinstance(batch, Exception):
            raise batch
        yield batch


@pytest.mark.anyio
async def test_what_has_nothing_to_say_is_not_sent():
    batches = _batches([], entries(ThoughtDelta("Hm")), entries(AnswerDelta("Hi")), [])
    told = [frame async for each in frames(batches, FrameEncoder("r")) for frame in each]
    assert told == ['{"type":"delta","run_id":"r","cursor":"1","text":"Hi"}']


@pytest.mark.anyio
async def test_an_error_on_the_way_is_told_like_a_failed_run():
    """The cursor is good for when it is over."""
    batches = _batches([], entries(AnswerDelta("Hi")), StorageLost("Gone."))
    told = [frame async for each in frames(batches, FrameEncoder("r")) for frame in each]
    assert told[1] == (
        '{"type":"failed","run_id":"r","cursor":"1","code":"storage_lost",'
        '"message":"Gone.","retryable":true}'
    )
    assert len(told) == 2


@pytest.mark.anyio
async def test_a_run_that_goes_on_elsewhere_has_no_end_here():
    batches = _batches([], entries(AnswerDelta("Hi")), ServerShutdown())
    told = [frame async for each in frames(batches, FrameEncoder("r")) for frame in each]
    assert len(told) == 1


@pytest.mark.anyio
async def test_an_error_that_is_known_at_once_is_raised():
    with pytest.raises(NotFound):
        await anext(frames(_batches([], NotFound()), FrameEncoder("r")))


# What clients say

UNDERSTOOD: list[tuple[dict[str, Any], SocketRequest]] = [
    ({"type": "ask", "text": "hi"}, Ask(text="hi")),
    (
        {"type": "ask", "id": "q", "text": "hi", "thread_id": "t", "stream": False},
        Ask(id="q", text="hi", thread_id="t", stream=False),
    ),
    ({"type": "resume", "run_id": "r"}, Resume(run_id="r", after="0")),
    (
        {"type": "resume", "run_id": "r", "after": "7", "include": []},
        Resume(run_id="r", after="7", include=[]),
    ),
    ({"type": "cancel", "run_id": "r"}, Cancel(run_id="r")),
    ({"type": "leave", "run_id": "r", "id": "q"}, Leave(run_id="r", id="q")),
    ({"type": "ping"}, Ping()),
]
NAMED: dict[str, tuple[dict[str, Any], str]] = {
    "no type": ({}, "type"),
    "no such type": ({"type": "shout"}, "type"),
    "a type that is none": ({"type": ["ask"]}, "type"),
    "no text": ({"type": "ask"}, "text"),
    "an empty text": ({"type": "ask", "text": " "}, "text"),
    "NUL": ({"type": "ask", "text": "a\0b"}, "text"),
    "half a character": ({"type": "ask", "text": "\ud83e"}, "text"),
    "a long text": ({"type": "ask", "text": "x" * 40_000}, "text"),
    "a field of another frame": ({"type": "ask", "text": "hi", "after": "1"}, "after"),
    "a field that is none": ({"type": "ping", "n": 1}, "n"),
    "no run": ({"type": "cancel"}, "run_id"),
    "an empty run": ({"type": "leave", "run_id": ""}, "run_id"),
    "a long run": ({"type": "leave", "run_id": "x" * 200}, "run_id"),
    "an id that is none": ({"type": "ping", "id": 7}, "id"),
    "a cursor that is none": ({"type": "resume", "run_id": "r", "after": 7}, "after"),
    "an extra that is none": ({"type": "resume", "run_id": "r", "include": ["x"]}, "include.0"),
}
NO_FRAMES = ("", "{", "[]", "7", '"ask"', "[" * 100_000, "9" * 10_000, '{"type": ask}')


@pytest.mark.parametrize(("given", "request_"), UNDERSTOOD)
def test_what_is_understood(given: dict[str, Any], request_: SocketRequest):
    assert understood(decoded(json.dumps(given))) == request_


@pytest.mark.parametrize(("given", "field"), NAMED.values(), ids=NAMED)
def test_what_is_wrong_is_named(given: dict[str, Any], field: str):
    with pytest.raises(BadRequest) as refused:
        understood(decoded(json.dumps(given)))
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")
    assert len(refused.value.message) < 500


@pytest.mark.parametrize("text", NO_FRAMES, ids=range(len(NO_FRAMES)))
def test_what_is_no_frame_at_all(text: str):
    with pytest.raises(BadRequest, match="frame"):
        decoded(text)


def test_two_mistakes_are_both_told():
    with pytest.raises(BadRequest, match=r"text: .*; temperature: "):
        understood({"type": "ask", "text": "", "temperature": 9})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["ask", "resume", "cancel", "leave", "ping"]) | _JSON},
        optional=dict.fromkeys(("id", "run_id", "text", "after", "include", "model"), _JSON),
    )
)
def test_nothing_else_is_raised(given: dict[str, Any]):
    with suppress(BadRequest):
        understood(given)


def test_what_is_repeated_of_a_frame():
    assert subject({"id": "q", "run_id": "r", "text": "x"}) == {"id": "q", "run_id": "r"}
    assert subject({"id": 7, "run_id": ["r"]}) == {}
    assert subject({"id": "x" * MAX_ID}) == {"id": "x" * MAX_ID}
    assert subject({"id": "x" * (MAX_ID + 1)}) == {}
