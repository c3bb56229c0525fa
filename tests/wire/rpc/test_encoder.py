"""The encoder: messages for events, byte for byte, and the rest of them after any cursor."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import CATALOGUE
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
from tests.wire.rpc.clients import text_of
from wire.append_only import MODES
from wire.rpc.encoder import Encoder
from wire.rpc.lastword.v1.chat_pb2 import Answer
from wire.rpc.status import STATUSES


def entries(*events: Event) -> list[Entry]:
    return [Entry(Cursor(str(n)), event) for n, event in zip(count(1), events, strict=False)]


USED = Usage(300, 5)
GOLDEN: dict[str, tuple[Event, bytes]] = {
    "start": (RunStarted("r", "t"), b"\x0a\x011\x12\x06\x0a\x01r\x12\x01t"),
    "delta": (AnswerDelta("é\0"), b"\x0a\x011\x1a\x05\x0a\x03\xc3\xa9\0"),
    "thought": (ThoughtDelta("Hm"), b'\x0a\x011"\x04\x0a\x02Hm'),
    "tool": (
        ToolStarted("c", "calc", "{}"),
        b"\x0a\x011*\x0f\x0a\x01c\x12\x04calc\x18\x01\x22\x02{}",
    ),
    "result": (
        ToolFinished("c", "calc", "42"),
        b"\x0a\x011*\x0f\x0a\x01c\x12\x04calc\x18\x02\x2a\x0242",
    ),
    "failure": (
        ToolFinished("c", "calc", "no", failed=True),
        b"\x0a\x011*\x0f\x0a\x01c\x12\x04calc\x18\x03\x2a\x02no",
    ),
    "source": (
        SourceFound(1, "T", "L", "P", 0.5),
        b"\x0a\x0112\x14\x08\x01\x12\x01T\x1a\x01L\x22\x01P\x29\0\0\0\0\0\0\xe0\x3f",
    ),
    "retracted": (AnswerRetracted(certain=True), b"\x0a\x011:\0"),
    "end": (
        RunCompleted("stop", USED),
        b"\x0a\x011B\x0c\x08\x01\x12\x08\x08\xac\x02\x10\x05\x18\xb1\x02",
    ),
    "cited": (
        RunCompleted("stop", cited=(2, 1), unknown=(9,)),
        b"\x0a\x011B\x0b\x08\x01\x12\0\x1a\x02\x02\x01\x22\x01\x09",
    ),
    "length": (RunCompleted("length"), b"\x0a\x011B\x04\x08\x02\x12\0"),
    "filtered": (RunCompleted("content_filter"), b"\x0a\x011B\x04\x08\x03\x12\0"),
    "cancelled": (RunCancelled(), b"\x0a\x011B\x04\x08\x04\x12\0"),
}


@pytest.mark.parametrize(("event", "message"), GOLDEN.values(), ids=GOLDEN)
def test_bytes(event: Event, message: bytes):
    (answer,) = Encoder(["tools", "sources", "thoughts"]).encode(entries(event))
    assert answer.SerializeToString(deterministic=True) == message


def test_a_heartbeat_and_a_failure_are_no_messages():
    assert Encoder().encode([]) == []
    assert Encoder().encode(entries(RunFailed("busy", "", False))) == []


EXTRAS: list[Event] = [
    ThoughtDelta("Hm"),
    ToolStarted("c", "calc", "{}"),
    ToolFinished("c", "calc", "42"),
    SourceFound(1, "", "", "", 0),
]


def test_what_nobody_asked_for_is_not_told():
    assert [answer.cursor for answer in Encoder().encode(entries(*EXTRAS))] == ["2", "3", "4"]
    assert Encoder([]).encode(entries(*EXTRAS)) == []
    only = Encoder(["thoughts"]).encode(entries(*EXTRAS))
    assert [answer.cursor for answer in only] == ["1"]


def test_half_a_pair_is_a_replacement_character():
    said = ToolFinished("c", "calc", "\ud83d or \ude00 or \ud83d\ude00")
    (answer,) = Encoder().encode(entries(said))
    assert answer.tool.output == "\N{REPLACEMENT CHARACTER} or \N{REPLACEMENT CHARACTER} or 😀"


@given(st.lists(st.text(st.characters(codec="utf-8")) | st.sampled_from("\r\n\0\ufeff\u2028\x85")))
def test_any_text_arrives_as_it_is(pieces: list[str]):
    sent = Encoder().encode(entries(*map(AnswerDelta, pieces)))
    received = [Answer.FromString(answer.SerializeToString()) for answer in sent]
    assert text_of(received) == "".join(pieces)


MIXED: list[Event] = [
    RunStarted("r", "t"),
    AnswerDelta("sure "),
    AnswerDelta("maybe ", certain=False),
    ToolStarted("c", "calc", "{}"),
    AnswerRetracted(),
    ToolFinished("c", "calc", "42"),
    AnswerDelta("held ", certain=False),
    SourceFound(1, "", "", "", 0),
    AnswerDelta("long ", certain=False),
    AnswerConfirmed(),
    AnswerDelta("and", certain=True),
    RunCompleted(),
]


@pytest.mark.parametrize(
    ("mode", "text"),
    [("exact", "sure held long and"), ("eager", "sure maybe \n\nheld long and")],
)
def test_the_rest_after_any_cursor(mode: str, text: str):
    whole = Encoder(append_only=MODES[mode]).encode(entries(*MIXED))
    assert text_of(whole) == text
    for place, answer in enumerate(whole, 1):
        encoder = Encoder(append_only=MODES[mode], after=Cursor(answer.cursor))
        assert encoder.encode(entries(*MIXED)) == whole[place:]


def test_what_was_certain_is_taken_back():
    """A run that begins anew: what a client has kept, and what was held for it."""
    again = [AnswerDelta("a"), AnswerDelta("b", certain=False), AnswerRetracted(certain=True)]
    told = Encoder().encode(entries(*again, AnswerDelta("c"), AnswerConfirmed()))
    assert [answer.WhichOneof("event") for answer in told] == ["delta", "retracted", "delta"]
    assert text_of(told) == "ac"


def test_every_error_has_a_status():
    assert set(CATALOGUE) <= set(STATUSES)
