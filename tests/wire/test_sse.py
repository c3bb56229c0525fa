"""The encoder of server-sent events, byte by byte; and any words, on every wire, by any parser."""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import get_args

import httpx
import httpx_sse
import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
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
from stream.log import Cursor, Entry
from stream.transcript import Transcript
from tests.replies import Reply
from tests.wire.helpers import EVENTS, JSON, TIMEOUT, Shared, ask, parse, spoken
from wire.append_only import AppendOnly
from wire.sse import HEARTBEAT, SseEncoder, frames

ALL = ("tools", "sources", "thoughts")
USAGE = '{"input_tokens":7,"output_tokens":5,"total_tokens":12}'
GOLDEN: list[tuple[Event, str, str]] = [
    (RunStarted("r", "t"), "start", '{"run_id":"r","thread_id":"t"}'),
    (AnswerDelta("Hi"), "delta", '{"text":"Hi"}'),
    (AnswerDelta("Hi", certain=False), "delta", '{"text":"Hi","certain":false}'),
    (AnswerConfirmed(), "confirm", "{}"),
    (AnswerRetracted(), "retract", "{}"),
    (ThoughtDelta("Hm"), "thought", '{"text":"Hm"}'),
    (
        ToolStarted("c", "calculator", '{"x": 1}'),
        "tool",
        '{"id":"c","name":"calculator","state":"started","input":"{\\"x\\": 1}"}',
    ),
    (
        ToolFinished("c", "calculator", "42"),
        "tool",
        '{"id":"c","name":"calculator","state":"finished","output":"42"}',
    ),
    (
        ToolFinished("c", "calculator", "No.", failed=True),
        "tool",
        '{"id":"c","name":"calculator","state":"failed","output":"No."}',
    ),
    (
        SourceFound(1, "Title", "a.md", "Words", 0.5),
        "source",
        '{"number":1,"title":"Title","location":"a.md","passage":"Words","score":0.5}',
    ),
    (RunCompleted("length", Usage(7, 5)), "end", f'{{"finish_reason":"length","usage":{USAGE}}}'),
    (RunCancelled(Usage(7, 5)), "end", f'{{"finish_reason":"cancelled","usage":{USAGE}}}'),
    (
        RunFailed("busy", "Later.", retryable=True),
        "failed",
        '{"code":"busy","message":"Later.","retryable":true}',
    ),
]
HOSTILE = {
    "CR": ("a\rb", "a\\rb"),
    "LF": ("a\n\ndata: b", "a\\n\\ndata: b"),
    "CR LF": ("\r\n\r\n", "\\r\\n\\r\\n"),
    "NUL": ("\0", "\\u0000"),
    "a byte order mark": ("\ufeff", "\\ufeff"),
    "next line": ("\x85", "\\u0085"),
    "line separators": ("\u2028\u2029", "\\u2028\\u2029"),
    "others that split lines": ("\v\f\x1c\x1d\x1e", "\\u000b\\f\\u001c\\u001d\\u001e"),
    "beyond the first plane": ("🤙", "\\ud83e\\udd19"),
    "quotes": ('"\\', '\\"\\\\'),
    "only a space": (" ", " "),
    "a colon": (":", ":"),
    "a long line": ("x" * 100_000, "x" * 100_000),
}


def entries(*events: Event) -> list[Entry]:
    return [Entry(Cursor(str(n)), event) for n, event in enumerate(events, 1)]


# The encoder


def test_no_event_is_forgotten():
    assert {type(event) for event, _, _ in GOLDEN} == set(get_args(Event))


@pytest.mark.parametrize(("event", "name", "data"), GOLDEN)
def test_each_event_has_its_frame(event: Event, name: str, data: str):
    encoder = SseEncoder(ALL)
    first, second = (encoder.encode([Entry(Cursor(at), event)]) for at in ("0-7", "0-8"))
    assert first == f"event: {name}\ndata: {data}\nid: 0-7\nretry: 2000\n\n".encode()
    assert second == f"event: {name}\ndata: {data}\nid: 0-8\n\n".encode()


@pytest.mark.parametrize(("text", "encoded"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_stay_on_their_line(text: str, encoded: str):
    encoder = SseEncoder()
    encoder.encode(entries(RunStarted("r", "t")))
    frame = encoder.encode(entries(AnswerDelta(text)))
    assert frame == f'event: delta\ndata: {{"text":"{encoded}"}}\nid: 1\n\n'.encode()


@pytest.mark.parametrize("field", ["call_id", "name", "input"])
@pytest.mark.parametrize("text", [text for text, _ in HOSTILE.values()], ids=HOSTILE)
def test_hostile_tools_stay_on_their_line(text: str, field: str):
    tool = ToolStarted(**({"call_id": "c", "name": "n", "input": "i"} | {field: text}))
    (event,) = parse(SseEncoder().encode(entries(tool)))
    assert text in event.data.values()


def test_a_batch_is_its_frames_in_a_row():
    whole, single = SseEncoder(ALL), SseEncoder(ALL)
    batch = entries(*(event for event, _, _ in GOLDEN))
    assert whole.encode(batch) == b"".join(single.encode([entry]) for entry in batch)


@pytest.mark.parametrize("extras", [(), *((extra,) for extra in ALL), ALL])
def test_extras_are_left_out_unless_wanted(extras: Sequence[str]):
    names = {"tool": "tools", "source": "sources", "thought": "thoughts"}
    for event, name, _ in GOLDEN:
        frame = SseEncoder(extras).encode(entries(event))  # type: ignore[arg-type]  as a list
        assert bool(frame) == (names.get(name, name) in extras or name not in names)


def test_retry_is_in_the_first_frame_that_is_sent():
    encoder = SseEncoder(())
    assert encoder.encode(entries(ThoughtDelta("Hm"))) == b""
    assert b"retry: 2000" in encoder.encode(entries(AnswerDelta("Hi")))
    assert b"retry" not in encoder.encode(entries(AnswerDelta("Hi")))


def test_a_heartbeat_uses_nothing_up():
    encoder = SseEncoder()
    assert encoder.encode([]) == HEARTBEAT == b": heartbeat\n"
    stream = encoder.encode([]) + encoder.encode(entries(AnswerDelta("Hi")))
    assert stream.count(b"retry: 2000") == 1
    assert [event.name for event in parse(stream)] == ["delta"]


async def _batches(*batches: list[Entry]) -> AsyncGenerator[list[Entry], None]:
    for batch in batches:
        yield batch


@pytest.mark.anyio
async def test_what_has_nothing_to_say_is_not_sent():
    batches = _batches(entries(ThoughtDelta("Hm")), [], entries(AnswerDelta("Hi")))
    sent = [frame async for frame in frames(batches)]
    assert sent == [HEARTBEAT, SseEncoder().encode(entries(AnswerDelta("Hi")))]
    with pytest.raises(StopAsyncIteration):
        await anext(batches)


# Wires that cannot take text back

DELTA, MAYBE = AnswerDelta("a"), AnswerDelta("b", certain=False)
GROWING: dict[str, tuple[list[Event], str]] = {
    "nothing": ([], ""),
    "certain": ([DELTA, DELTA], "aa"),
    "uncertain": ([DELTA, MAYBE], "a"),
    "confirmed": ([MAYBE, MAYBE, AnswerConfirmed()], "bb"),
    "retracted": ([MAYBE, AnswerRetracted(), DELTA], "a"),
    "confirmed, and again": ([MAYBE, AnswerConfirmed(), AnswerConfirmed()], "b"),
    "retracted after it was confirmed": ([MAYBE, AnswerConfirmed(), AnswerRetracted()], "b"),
    "never confirmed": ([DELTA, MAYBE, RunCompleted()], "a"),
    "nothing of the answer": ([ThoughtDelta("Hm"), ToolStarted("c", "n", "i")], ""),
}


@pytest.mark.parametrize(("events", "text"), GROWING.values(), ids=GROWING)
def test_only_what_is_certain_is_said(events: list[Event], text: str):
    batch = entries(*events)
    assert AppendOnly().text(batch) == text
    growing = AppendOnly()
    assert "".join(growing.text([entry]) for entry in batch) == text


_ANSWERING = st.one_of(
    st.builds(AnswerDelta, st.text(max_size=3), st.booleans()),
    st.sampled_from([AnswerConfirmed(), AnswerRetracted()]),
)


@given(st.lists(_ANSWERING, max_size=30), st.integers(1, 5))
def test_what_grows_comes_to_the_transcript(events: list[Event], size: int):
    growing, transcript = AppendOnly(), Transcript()
    batch = entries(*events)
    cut = [batch[n : n + size] for n in range(0, len(batch), size)]
    grown = "".join(growing.text(piece) for piece in cut)
    for event in events:
        transcript.add(event)
    assert grown == transcript.answer


# Any words, on every wire

_WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from([text for text, _ in HOSTILE.values() if len(text) < 100]),
    max_size=12,
)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(words=["\ufeff", "\r", "\n\n", "\0", "\u2028", "data: x\n\n"], coalesce=1, split=1)
@example(words=["```", '"}', "\\", "{", "Final Answer"], coalesce=1, split=0)
@given(words=_WORDS, coalesce=st.integers(1, 4), split=st.sampled_from([0, 1, 7]))
def test_any_words_arrive_as_they_were_said(
    words: list[str], coalesce: int, split: int, house: Shared, session: requests.Session
):
    lastword, upstream = house
    upstream.default = lambda _: Reply(tokens=spoken(*words), coalesce=coalesce, split=split)
    url, said, body = lastword.url + "/chat", "".join(words), {"text": "hi"}

    text = session.post(url, json=body, timeout=TIMEOUT)
    assert text.content.decode() == said

    document = session.post(url, json=body, headers={"Accept": JSON}, timeout=TIMEOUT)
    assert json.loads(document.content)["output"] == said

    events = session.post(url, json=body, headers={"Accept": EVENTS}, timeout=TIMEOUT)
    by_the_standard = [(e.id, e.name, e.data) for e in parse(events.content)]
    response = httpx.Response(200, headers={"Content-Type": EVENTS}, content=events.content)
    by_httpx = [
        (e.id, e.event, json.loads(e.data)) for e in httpx_sse.EventSource(response).iter_sse()
    ]
    assert by_the_standard == by_httpx
    deltas = [data["text"] for _, name, data in by_the_standard if name == "delta"]
    assert "".join(deltas) == said
    assert all(deltas), "an empty delta says nothing"

    again = session.get(f"{lastword.url}/runs/{events.headers['X-Run-Id']}/events", timeout=TIMEOUT)
    assert again.content == events.content


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 6, 7, 100])
def test_half_a_character_is_replaced(cut: int, house: Shared):
    """Models escape; a lone surrogate is no text, and a pair is one character however it is cut."""
    source = '```json\n{"action": "Final Answer", "action_input": "\\ud83e\\udd19 \\ud83e."}\n```'
    tokens = [source[n : n + cut] for n in range(0, len(source), cut)]
    house.upstream.default = lambda _: Reply(tokens=tokens)
    assert ask(house.lastword).content.decode() == "🤙 \ufffd."
    assert ask(house.lastword, accept=JSON).json()["output"] == "🤙 \ufffd."
