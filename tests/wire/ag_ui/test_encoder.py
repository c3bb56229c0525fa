"""AG-UI's encoder, byte by byte; and any run, in any cut, before the client's own verifier."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream.errors import ServerShutdown
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
from stream.log import Cursor, Entry
from stream.transcript import Transcript
from tests.wire.ag_ui.client import AgUi, Told
from wire.ag_ui.encoder import UNFINISHED, AgUiEncoder, Names, before
from wire.append_only import AppendOnly, Eager
from wire.named import Extra
from wire.sse import HEARTBEAT
from wire.sse import frames_with_errors as frames_of

RUN = "4711"
ALL: tuple[Extra, ...] = ("tools", "sources", "thoughts")
STARTED = (
    '{"type":"RUN_STARTED","threadId":"t","runId":"r","protocolVersion":"1.0"}',
    '{"type":"CUSTOM","name":"lastword.run","value":{"run_id":"4711","thread_id":"t"}}',
)
OPENED = '{"type":"TEXT_MESSAGE_START","messageId":"4711","role":"assistant"}'
CLOSED = '{"type":"TEXT_MESSAGE_END","messageId":"4711"}'
USAGE = '"usage":[{"inputTokens":7,"outputTokens":5,"totalTokens":12}]'
FINISHED = '{"type":"RUN_FINISHED","threadId":"t","runId":"r",'
REASON = '{"finish_reason":"length"}'
RETRYABLE = '"metadata":{"lastword":{"retryable":true}}'
SOURCE = '{"number":1,"title":"Title","location":"a.md","passage":"Words","score":0.5}'
THOUGHT = "4711-thought-1"
CALLED = (
    '{"type":"TOOL_CALL_START","toolCallId":"4711-call-1","toolCallName":"calculator"}',
    '{"type":"TOOL_CALL_ARGS","toolCallId":"4711-call-1","delta":"{\\"x\\": 1}"}',
    '{"type":"TOOL_CALL_END","toolCallId":"4711-call-1"}',
)
HOSTILE = [
    "\r", "\n\n", "\r\n\r\n", "\n\ndata: {}\n\n", "\0", "\ufeff", "\x85", "\u2028\u2029",
    "\v\f\x1c\x1d\x1e", "🤙🏽", "\u0301", '"\\', " ", ":", "null", "x" * 70_000, "\ufffd",
]  # fmt: skip
CALL = ToolStarted("c", "calculator", '{"x": 1}')


def content(text: str) -> str:
    return f'{{"type":"TEXT_MESSAGE_CONTENT","messageId":"4711","delta":{json.dumps(text)}}}'


def result(text: str, mark: str = "") -> str:
    return (
        '{"type":"TOOL_CALL_RESULT","messageId":"4711-call-1-result",'
        f'"toolCallId":"4711-call-1","content":"{text}"{mark},"role":"tool"}}'
    )


FAILED = ',"metadata":{"lastword":{"failed":true}}'
GOLDEN: dict[str, tuple[list[Event], list[str]]] = {
    "nothing": ([], []),
    "an answer": ([AnswerDelta("Hi")], [OPENED, content("Hi")]),
    "in one batch": ([AnswerDelta("H"), AnswerDelta("i")], [OPENED, content("Hi")]),
    "an empty piece": ([AnswerDelta("")], []),
    "uncertain": ([AnswerDelta("Hm", False)], []),
    "confirmed": ([AnswerDelta("H", False), AnswerConfirmed()], [OPENED, content("H")]),
    "retracted": ([AnswerDelta("H", False), AnswerRetracted()], []),
    "begun anew": (
        [AnswerDelta("H"), CALL, AnswerRetracted(certain=True), CALL, AnswerDelta("Hi")],
        [
            OPENED,
            content("H"),
            *CALLED,
            result(UNFINISHED, FAILED),
            CLOSED,
            '{"type":"MESSAGES_SNAPSHOT","messages":[]}',
            *(each.replace("call-1", "call-2") for each in CALLED),
            OPENED,
            content("Hi"),
        ],
    ),
    "a thought": (
        [ThoughtDelta("H"), ThoughtDelta(""), ThoughtDelta("m"), AnswerDelta("Hi")],
        [
            f'{{"type":"REASONING_START","messageId":"{THOUGHT}"}}',
            f'{{"type":"REASONING_MESSAGE_START","messageId":"{THOUGHT}","role":"reasoning"}}',
            f'{{"type":"REASONING_MESSAGE_CONTENT","messageId":"{THOUGHT}","delta":"Hm"}}',
            f'{{"type":"REASONING_MESSAGE_END","messageId":"{THOUGHT}"}}',
            f'{{"type":"REASONING_END","messageId":"{THOUGHT}"}}',
            OPENED,
            content("Hi"),
        ],
    ),
    "an empty thought": ([ThoughtDelta("")], []),
    "a tool": ([CALL, ToolFinished("c", "calculator", "42")], [*CALLED, result("42")]),
    "one that fails": (
        [CALL, ToolFinished("c", "calculator", "No.", failed=True)],
        [*CALLED, result("No.", FAILED)],
    ),
    "one without arguments": (
        [ToolStarted("c", "calculator", "")],
        [each for each in CALLED if "ARGS" not in each],
    ),
    "a result of nothing": ([ToolFinished("c", "calculator", "42")], []),
    "a source": (
        [SourceFound(1, "Title", "a.md", "Words", 0.5)],
        [f'{{"type":"CUSTOM","name":"source","value":{SOURCE}}}'],
    ),
    "completed": (
        [AnswerDelta("Hi"), RunCompleted("length", Usage(7, 5))],
        [
            OPENED,
            content("Hi"),
            CLOSED,
            f'{FINISHED}"outcome":{{"type":"success"}},{USAGE},"result":{REASON}}}',
        ],
    ),
    "cancelled": (
        [RunCancelled(Usage(7, 5))],
        [f'{FINISHED}"outcome":{{"type":"cancelled"}},{USAGE}}}'],
    ),
    "failed": (
        [CALL, AnswerDelta("Hi"), RunFailed("busy", "Later.", retryable=True)],
        [
            *CALLED,
            OPENED,
            content("Hi"),
            result(UNFINISHED, FAILED),
            CLOSED,
            f'{{"type":"RUN_ERROR","message":"Later.","code":"busy",{RETRYABLE}}}',
        ],
    ),
}


def entries(*events: Event) -> list[Entry]:
    return [Entry(Cursor(str(n)), event) for n, event in enumerate(events, 1)]


def encoder(**options: Any) -> AgUiEncoder:
    return AgUiEncoder(Names("t", "r"), **({"growing": AppendOnly(), "extras": ALL} | options))


def frames(*events: str) -> bytes:
    return "".join(f"data: {event}\n\n" for event in events).encode()


def test_no_event_is_forgotten():
    seen = {type(event) for events, _ in GOLDEN.values() for event in events}
    assert seen | {RunStarted} == set(get_args(Event))


@pytest.mark.parametrize(("events", "expected"), GOLDEN.values(), ids=GOLDEN)
def test_each_event_has_its_frames(events: list[Event], expected: list[str]):
    assert encoder().encode(entries(RunStarted(RUN, "t"), *events)) == frames(*STARTED, *expected)


def test_a_heartbeat_is_a_line_of_the_next_frame():
    assert encoder().encode([]) == HEARTBEAT == b": heartbeat\n"


def test_the_run_before_this_one_is_named():
    encoded = AgUiEncoder(Names("t", "r", "p"), AppendOnly()).encode(entries(RunStarted(RUN, "t")))
    assert b'"protocolVersion":"1.0","parentRunId":"p"}' in encoded


def test_batches_go_on_where_the_last_one_ended():
    one = encoder()
    assert one.encode(entries(RunStarted(RUN, "t"))) == frames(*STARTED)
    assert one.encode(entries(AnswerDelta("a"))) == frames(OPENED, content("a"))
    assert one.encode(entries(AnswerDelta("b"))) == frames(content("b"))
    assert one.encode(entries(AnswerDelta("c", False))) == b""


@pytest.mark.parametrize("extras", [(), *((extra,) for extra in ALL)])
def test_extras_are_left_out_unless_wanted(extras: Sequence[Extra]):
    kinds = {"tools": "TOOL_CALL", "sources": '"source"', "thoughts": "REASONING"}
    events = [
        CALL,
        ToolFinished("c", "calculator", "42"),
        SourceFound(1, "", "", "", 0),
        ThoughtDelta("Hm"),
        RunCompleted(),
    ]
    encoded = encoder(extras=extras).encode(entries(RunStarted(RUN, "t"), *events)).decode()
    for extra, kind in kinds.items():
        assert (kind in encoded) == (extra in extras)


def test_no_frame_is_longer_than_the_client_bears(ag_ui: AgUi):
    """All of a long answer comes in one batch when it is heard again."""
    text = "🤙" * 1_000_000  # 12 MB in JSON
    told = ag_ui.read(encoder().encode(entries(RunStarted(RUN, "t"), AnswerDelta(text))))
    assert (told["error"], told.text == text) == (None, True)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_on_their_line(text: str):
    encoded = encoder().encode(entries(AnswerDelta(text), ToolStarted(text, text, text)))
    assert encoded.isascii()
    assert all(line.startswith(b"data: {") for line in encoded.splitlines()[::2])
    assert not any(encoded.splitlines()[1::2])


def test_calls_of_the_same_name_are_different_ones():
    """Some models count their calls from the beginning in every message."""
    answered = [ToolFinished("c", "calculator", "1"), CALL, ToolFinished("c", "calculator", "2")]
    encoded = encoder().encode(entries(RunStarted(RUN, "t"), CALL, *answered))
    results = [json.loads(frame[6:]) for frame in encoded.split(b"\n\n") if b"RESULT" in frame]
    assert [(each["toolCallId"], each["content"]) for each in results] == [
        ("4711-call-1", "1"),
        ("4711-call-2", "2"),
    ]


@pytest.mark.anyio
async def test_a_run_that_can_be_followed_no_further():
    """It goes on elsewhere; what it said here ends like a run that failed."""

    async def batches() -> AsyncGenerator[list[Entry], None]:
        yield entries(RunStarted(RUN, "t"), AnswerDelta("Hi"))
        yield entries(AnswerDelta("Hm", False))
        raise ServerShutdown

    said = [piece async for piece in frames_of(batches(), encoder())]
    error = ServerShutdown().as_event()
    failed = f'{{"type":"RUN_ERROR","message":"{error.message}","code":"{error.code}",{RETRYABLE}}}'
    assert said == [frames(*STARTED, OPENED, content("Hi")), frames(CLOSED, failed)]


def test_the_conversation_before_a_run():
    question = {"id": "u1", "role": "user", "content": "Hi", "metadata": {"a": None}}
    of_the_run = [
        {"id": f"{RUN}-call-1", "role": "assistant", "toolCalls": []},
        {"id": f"{RUN}-thought-1", "role": "reasoning", "content": "Hm"},
        {"id": RUN, "role": "assistant", "content": "As far as"},
    ]
    kept = [question, {"id": f"{RUN}-thought-1", "role": "reasoning", "content": ""}]
    assert before([question, *of_the_run], RUN) == kept
    another = {**kept[1], "id": f"{RUN}-thought-2"}
    assert before([question, *of_the_run], RUN, thoughts=2) == [*kept, another]


# Before the client

ANEW = AnswerRetracted(certain=True)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"])))
middles: st.SearchStrategy[Event] = st.one_of(
    st.builds(AnswerDelta, texts, st.booleans()),
    st.just(AnswerConfirmed()),
    st.just(AnswerRetracted()),
    st.just(ANEW),
    st.builds(ThoughtDelta, texts),
    st.builds(ToolStarted, st.sampled_from("ab"), texts, texts),
    st.builds(ToolFinished, st.sampled_from("ab"), texts, texts, st.booleans()),
    st.builds(SourceFound, st.integers(1, 9), texts, texts, texts, st.floats(0, 1)),
)
ends: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        RunCompleted,
        st.sampled_from(["stop", "length", "content_filter"]),
        cited=st.sampled_from([(), (2, 1)]),
        unknown=st.sampled_from([(), (9,)]),
    ),
    st.just(RunCancelled(Usage(1, 2))),
    st.builds(RunFailed, texts, texts, st.booleans()),
)
relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)


def is_sound(told: Told, end: Event) -> None:
    """The client found nothing wrong with it, and knows how it ended."""
    assert (told["error"], told["failed"], told["warnings"]) == (None, None, [])
    match end:
        case RunFailed(code=code, message=message):
            (error,) = told.of("RUN_ERROR")
            assert (error["code"], error["message"]) == (code, message)
            assert told["finished"] is None
            assert told["events"][-1] == error
        case RunCompleted(finish_reason=reason, cited=cited, unknown=unknown):
            there = {name: told["result"].get(name, []) for name in ("cited", "unknown_citations")}
            assert there == {"cited": list(cited), "unknown_citations": list(unknown)}
            assert told["result"]["finish_reason"] == reason
            assert told["finished"] == {"outcome": "success", "pendingToolCallIds": []}
        case _:
            assert told["finished"] == {"outcome": "cancelled"}
            assert told.kinds[-1] == "RUN_FINISHED"


@relaxed
@given(
    middle=st.lists(middles, max_size=12),
    end=ends,
    extras=st.sets(st.sampled_from(ALL)),
    batch=st.integers(1, 14),
    piece=st.sampled_from([1, 7, 65536]),
)
def test_any_run_passes_the_clients_verifier(
    ag_ui: AgUi, middle: list[Event], end: Event, extras: set[Extra], batch: int, piece: int
):
    events = entries(RunStarted(RUN, "t"), *middle, end)
    one = encoder(extras=extras)
    body = b"".join(
        one.encode(events[at : at + batch]) + HEARTBEAT for at in range(0, len(events), batch)
    )
    told = ag_ui.read(body, piece if len(body) < 10_000 else 65536)
    is_sound(told, end)
    transcript = Transcript()
    transcript.read(events)
    assert told.text == transcript.answer


@relaxed
@given(pieces=st.lists(texts, max_size=20))
def test_any_words_arrive_as_they_are(ag_ui: AgUi, pieces: list[str]):
    one = encoder(growing=Eager())
    body = one.encode(entries(RunStarted(RUN, "t")))
    body += b"".join(one.encode(entries(AnswerDelta(piece))) for piece in pieces)
    told = ag_ui.read(body + one.encode(entries(RunCompleted())))
    is_sound(told, RunCompleted())
    assert told.text == "".join(pieces)


THINKING = [ThoughtDelta("a"), CALL, ThoughtDelta("b"), ANEW, ThoughtDelta("c"), ANEW]


@relaxed
@example(middle=THINKING, heard=1, cut=0, end=RunCancelled())
@example(middle=THINKING, heard=4, cut=0, end=RunCancelled())
@given(
    middle=st.lists(middles, min_size=2, max_size=12),
    heard=st.integers(0, 12),
    cut=st.integers(0, 400),
    end=ends,
)
def test_a_run_heard_twice_is_told_once(
    ag_ui: AgUi, middle: list[Event], heard: int, cut: int, end: Event
):
    """Wherever the line broke, the client then has what it has who heard it in one piece."""
    events = entries(RunStarted(RUN, "t"), *middle, end)
    whole = ag_ui.read(encoder().encode(events))["messages"]
    body = encoder().encode(events[: heard + 1])
    name = f"agent-{id(events)}-{heard}-{cut}"
    lost = ag_ui.read(body[: max(0, len(body) - cut)].rpartition(b"\n\n")[0], agent=name)
    again = encoder(messages=lost["messages"], again=True).encode(events)
    told = ag_ui.read(again, agent=name, forget=True)
    is_sound(told, end)
    assert sorted(told["messages"], key=by_id) == sorted(whole, key=by_id)


def by_id(message: dict[str, Any]) -> str:
    return str(message["id"])
