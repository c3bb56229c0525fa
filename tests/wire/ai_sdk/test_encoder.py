"""What the encoder writes, to the byte, and what the `ai` package's reader makes of it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import UpstreamTruncated
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
from tests.node import Node
from tests.wire.ai_sdk.chat import text_of
from wire.ai_sdk.encoder import UiMessageEncoder
from wire.ai_sdk.parts import MAX_BRACKETS
from wire.append_only import AppendOnly, Eager

ALL = ("tools", "sources", "thoughts")
STARTED = RunStarted("r1", "t1")
COMPLETED = RunCompleted("stop", Usage(3, 4))
USAGE = {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}
CALL = ToolStarted("c1", "calculator", '{"expression": "6*7"}')
RESULT = ToolFinished("c1", "calculator", "42")
PAGE = SourceFound(1, "Cats", "https://cats.example/", "Cats purr.", 0.5)
FILE = SourceFound(2, "", "cats.md", "Cats meow.", float("nan"))
HELLO, WORLD = AnswerDelta("Hello"), AnswerDelta(" world")
MAYBE, SURELY = AnswerDelta("Let me see", certain=False), AnswerDelta("42", certain=False)
YES, NO = AnswerConfirmed(), AnswerRetracted()


def entries(events: Sequence[Event]) -> list[Entry]:
    return [Entry(Cursor(str(n)), event) for n, event in enumerate(events, 1)]


def encoded(events: Sequence[Event], extras: Any = ALL, *, can_reset: bool = False) -> bytes:
    return UiMessageEncoder(AppendOnly(), extras, can_reset=can_reset).encode(entries(events))


def chunks(body: bytes) -> list[Any]:
    *frames, done, nothing = body.decode("ascii").split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


# To the byte


def test_a_short_answer():
    assert encoded([STARTED, HELLO, WORLD, COMPLETED]) == (
        b'data: {"type":"start","messageId":"r1"}\n\n'
        b'data: {"type":"data-run","data":{"runId":"r1","threadId":"t1"},"transient":true}\n\n'
        b'data: {"type":"start-step"}\n\n'
        b'data: {"type":"text-start","id":"1"}\n\n'
        b'data: {"type":"text-delta","id":"1","delta":"Hello"}\n\n'
        b'data: {"type":"text-delta","id":"1","delta":" world"}\n\n'
        b'data: {"type":"text-end","id":"1"}\n\n'
        b'data: {"type":"finish-step"}\n\n'
        b'data: {"type":"finish","finishReason":"stop","messageMetadata":'
        b'{"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}}\n\n'
        b"data: [DONE]\n\n"
    )


def test_the_end_names_what_is_cited(node: Node):
    end = RunCompleted("stop", Usage(3, 4), cited=(2, 1), unknown=(9,))
    body = encoded([STARTED, HELLO, end])
    told = {**USAGE, "cited": [2, 1], "unknownCitations": [9]}
    assert chunks(body)[-1]["messageMetadata"] == told
    _is_read(node, body, [HELLO])


def test_a_heartbeat_is_one_comment_line():
    assert UiMessageEncoder(AppendOnly()).encode([]) == b": heartbeat\n"


def test_what_says_nothing_is_nothing():
    assert UiMessageEncoder(AppendOnly()).encode(entries([MAYBE, NO, AnswerDelta("")])) == b""


@pytest.mark.parametrize("size", [1, 2, 3])
def test_it_does_not_matter_how_the_log_was_cut(size: int):
    events = entries([STARTED, ThoughtDelta("Hm"), CALL, RESULT, PAGE, HELLO, WORLD, COMPLETED])
    encoder = UiMessageEncoder(AppendOnly(), ALL)
    cut = [encoder.encode(events[i : i + size]) for i in range(0, len(events), size)]
    assert b"".join(cut) == UiMessageEncoder(AppendOnly(), ALL).encode(events)


# Chunk by chunk: what stands between `start-step` and what every whole answer ends with

STEP = [{"type": "finish-step"}, {"type": "start-step"}]
OURS = {"dynamic": True, "providerExecuted": True}
ASKED = {
    "type": "tool-input-available",
    "toolCallId": "c1",
    "toolName": "calculator",
    "input": {"expression": "6*7"},
    **OURS,
}
GIVEN = {"type": "tool-output-available", "toolCallId": "c1", "output": "42", **OURS}
LOST = {
    "type": "tool-output-error",
    "toolCallId": "c1",
    "errorText": "The run ended before the tool did.",
    **OURS,
}
LINK = {
    "type": "source-url",
    "url": "https://cats.example/",
    "title": "Cats",
    "sourceId": "1",
    "providerMetadata": {"lastword": {"number": 1, "passage": "Cats purr.", "score": 0.5}},
}
DOCUMENT = {
    "type": "source-document",
    "mediaType": "text/plain",
    "title": "cats.md",
    "filename": "cats.md",
    "sourceId": "2",
    "providerMetadata": {"lastword": {"number": 2, "passage": "Cats meow."}},
}


def part(number: int, *texts: str, kind: str = "text", end: bool = True) -> list[Any]:
    named = {"id": str(number)}
    deltas = [{"type": f"{kind}-delta", **named, "delta": text} for text in texts]
    return [
        {"type": f"{kind}-start", **named},
        *deltas,
        *([{"type": f"{kind}-end", **named}] if end else []),
    ]


def thought(number: int, *texts: str) -> list[Any]:
    return part(number, *texts, kind="reasoning")


MIDDLES: dict[str, tuple[list[Event], list[Any]]] = {
    "nothing": ([], []),
    "a tool": ([CALL, RESULT, HELLO], [ASKED, GIVEN, *STEP, *part(1, "Hello")]),
    "text, a tool, text": (
        [HELLO, CALL, RESULT, WORLD],
        [*part(1, "Hello"), ASKED, GIVEN, *STEP, *part(2, " world")],
    ),
    "two tools at once": (
        [
            CALL,
            ToolStarted("c2", "search", "cats"),
            RESULT,
            ToolFinished("c2", "search", "!", True),
        ],
        [
            ASKED,
            {**ASKED, "toolCallId": "c2", "toolName": "search", "input": "cats"},
            GIVEN,
            {**LOST, "toolCallId": "c2", "errorText": "!"},
        ],
    ),
    "a tool, and again by the same id": (
        [CALL, RESULT, CALL, RESULT, RESULT],
        [
            ASKED,
            GIVEN,
            *STEP,
            {**ASKED, "toolCallId": "c1-2"},
            {**GIVEN, "toolCallId": "c1-2"},
        ],
    ),
    "tools by ids that look like ours": (
        [CALL, CALL, ToolStarted("c1-2", "calculator", '{"expression": "6*7"}')],
        [
            *({**ASKED, "toolCallId": each} for each in ("c1", "c1-2", "c1-2-2")),
            *({**LOST, "toolCallId": each} for each in ("c1", "c1-2", "c1-2-2")),
        ],
    ),
    "two tools at once by the same id": (
        [CALL, CALL, RESULT],
        [
            ASKED,
            {**ASKED, "toolCallId": "c1-2"},
            GIVEN,
            {**LOST, "toolCallId": "c1-2"},
        ],
    ),
    "a tool that is begun while another works": (
        [CALL, ToolStarted("c2", "calculator", "1"), RESULT, ToolStarted("c3", "calculator", "2")],
        [
            ASKED,
            {**ASKED, "toolCallId": "c2", "input": 1},
            GIVEN,
            {**ASKED, "toolCallId": "c3", "input": 2},
            {**LOST, "toolCallId": "c2"},
            {**LOST, "toolCallId": "c3"},
        ],
    ),
    "a tool without its result": ([HELLO, CALL], [*part(1, "Hello"), ASKED, LOST]),
    "a result without its tool": ([RESULT, HELLO], part(1, "Hello")),
    "thoughts": (
        [ThoughtDelta("H"), ThoughtDelta("m"), HELLO, ThoughtDelta("?")],
        [*thought(1, "H", "m"), *part(2, "Hello"), *thought(3, "?")],
    ),
    "sources": (
        [PAGE, HELLO, FILE, WORLD],
        [LINK, *part(1, "Hello", end=False), DOCUMENT, *part(1, " world")[1:]],
    ),
    "uncertain, confirmed": ([MAYBE, SURELY, YES], part(1, "Let me see42")),
    "uncertain, taken back": ([MAYBE, NO, SURELY, YES], part(1, "42")),
    "uncertain for ever": ([MAYBE], []),
}
RESETS: dict[str, tuple[list[Event], list[Any]]] = {
    "confirmed": ([MAYBE, SURELY, YES, HELLO], part(1, "Let me see", "42", "Hello")),
    "taken back": (
        [MAYBE, NO, CALL, RESULT, SURELY, YES],
        [
            *part(1, "Let me see", end=False),
            {"type": "reset-step"},
            ASKED,
            GIVEN,
            *STEP,
            *part(2, "42"),
        ],
    ),
    "for ever": ([MAYBE], [*part(1, "Let me see", end=False), {"type": "reset-step"}]),
    "after thoughts, which stay": (
        [ThoughtDelta("Hm"), MAYBE, NO, HELLO],
        [
            *thought(1, "Hm"),
            *STEP,
            *part(2, "Let me see", end=False),
            {"type": "reset-step"},
            *part(3, "Hello"),
        ],
    ),
    "after certain text, which stays": (
        [HELLO, MAYBE, NO, WORLD],
        [
            *part(1, "Hello"),
            *STEP,
            *part(2, "Let me see", end=False),
            {"type": "reset-step"},
            *part(3, " world"),
        ],
    ),
    "something comes between": (
        [MAYBE, PAGE, SURELY, YES],
        [
            *part(1, "Let me see", end=False),
            {"type": "reset-step"},
            LINK,
            *part(2, "Let me see42"),
        ],
    ),
    "a tool ends in between": (
        [CALL, MAYBE, RESULT, SURELY, YES],
        [
            ASKED,
            *STEP,
            *part(1, "Let me see", end=False),
            GIVEN,
            *part(1, "42")[1:],
        ],
    ),
    "a tool ends after it was taken back": (
        [CALL, MAYBE, NO, RESULT, SURELY, YES],
        [
            ASKED,
            *STEP,
            *part(1, "Let me see", end=False),
            {"type": "reset-step"},
            GIVEN,
            *part(2, "42"),
        ],
    ),
    "empty": ([AnswerDelta("", certain=False), NO], []),
}


@pytest.mark.parametrize(("events", "middle"), MIDDLES.values(), ids=MIDDLES)
def test_chunks(events: list[Event], middle: list[Any], node: Node):
    body = encoded([STARTED, *events, COMPLETED])
    _, run, step, *told, step_over, finish = chunks(body)
    assert (run["type"], step["type"], told) == ("data-run", "start-step", middle)
    assert step_over == {"type": "finish-step"}
    assert finish == {"type": "finish", "finishReason": "stop", "messageMetadata": USAGE}
    _is_read(node, body, events)


@pytest.mark.parametrize(("events", "middle"), RESETS.values(), ids=RESETS)
def test_chunks_for_who_can_take_back(events: list[Event], middle: list[Any], node: Node):
    body = encoded([STARTED, *events, COMPLETED], can_reset=True)
    assert chunks(body)[3:-2] == middle
    _is_read(node, body, events)


def _is_read(node: Node, body: bytes, events: list[Event]) -> Any:
    """The client takes it all, its message is the answer, and nothing of that is still open."""
    read = node.call("read", body=body.decode(), size=4096)
    assert read["errors"] == []
    assert read["chunks"] == chunks(body)
    assert text_of(read["message"]) == AppendOnly().text(entries(events))
    states = {part.get("state", "done") for part in read["message"]["parts"]}
    assert states <= {"done", "output-available", "output-error"}
    return read


def test_extras_are_for_who_asks_for_them():
    said = [STARTED, ThoughtDelta("Hm"), CALL, RESULT, PAGE, HELLO, COMPLETED]
    assert encoded(said, ()) == encoded([STARTED, HELLO, COMPLETED])
    assert encoded(said, ("tools",)) == encoded([STARTED, CALL, RESULT, HELLO, COMPLETED])


def test_the_operators_choice_for_uncertain_text():
    encoder = UiMessageEncoder(Eager())
    body = encoder.encode(entries([STARTED, MAYBE, NO, SURELY, YES, COMPLETED]))
    assert chunks(body)[3:-2] == part(1, "Let me see", "\n\n42")


# Ends


def test_a_run_that_fails():
    failed = UpstreamTruncated().as_event()
    *_, lost, ours, error = chunks(encoded([STARTED, HELLO, CALL, failed]))
    assert lost == LOST
    assert ours == {
        "type": "data-error",
        "data": {"code": "upstream_truncated", "retryable": True},
        "transient": True,
    }
    assert error == {"type": "error", "errorText": failed.message}


def test_a_run_that_is_cancelled():
    *_, closed, metadata, abort = chunks(encoded([STARTED, HELLO, RunCancelled(Usage(3, 4))]))
    assert closed == {"type": "text-end", "id": "1"}
    assert metadata == {"type": "message-metadata", "messageMetadata": USAGE}
    assert abort == {"type": "abort", "reason": "The run was cancelled."}


def test_an_error_before_anything_else():
    assert [chunk["type"] for chunk in chunks(encoded([RunFailed("gone", "Gone.")]))] == [
        "data-error",
        "error",
    ]


@pytest.mark.parametrize(
    ("reason", "there"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content-filter")],
)
def test_finish_reasons(reason: Any, there: str, node: Node):
    read = _is_read(node, encoded([STARTED, RunCompleted(reason)]), [])
    assert read["chunks"][-1]["finishReason"] == there


# Tools' arguments: what the client would refuse goes as the text that it is

INPUTS: dict[str, tuple[str, Any]] = {
    "an object": ('{"a": [1, null, "x"]}', {"a": [1, None, "x"]}),
    "a string": ('"6*7"', "6*7"),
    "null": ("null", None),
    "no JSON": ("6*7", "6*7"),
    "nothing": ("", ""),
    "not a number": ('{"a": NaN}', '{"a": NaN}'),
    "infinity": ("1e999", "1e999"),
    "many digits": ("9" * 5000, "9" * 5000),
    "a prototype": ('{"a": {"__proto__": 1}}', '{"a": {"__proto__": 1}}'),
    "an escaped prototype": (r'{"\u005f_proto__": 1}', r'{"\u005f_proto__": 1}'),
    "a constructor": ('{"constructor": {"prototype": 1}}', '{"constructor": {"prototype": 1}}'),
    "words of a prototype": ('{"a": "\\"__proto__\\":"}', {"a": '"__proto__":'}),
    "a lone surrogate": ('{"a": "\\ud800"}', {"a": "\ud800"}),
    "as deep as it may be": (
        "[" * MAX_BRACKETS + "]" * MAX_BRACKETS,
        json.loads("[" * MAX_BRACKETS + "]" * MAX_BRACKETS),
    ),
    "too deep": ("[" * 9000 + "]" * 9000, "[" * 9000 + "]" * 9000),
}


@pytest.mark.parametrize(("text", "value"), INPUTS.values(), ids=INPUTS)
def test_the_arguments_of_a_tool(text: str, value: Any, node: Node):
    body = encoded([STARTED, ToolStarted("c1", "tool", text), RESULT, COMPLETED])
    _, called = _is_read(node, body, [])["message"]["parts"]
    assert called["input"] == value


SOURCES: dict[str, tuple[SourceFound, dict[str, Any]]] = {
    "a link": (PAGE, LINK),
    "a link without a title": (
        SourceFound(1, "", "HTTP://cats.example", "Cats purr.", 0.5),
        {key: value for key, value in LINK.items() if key != "title"}
        | {"url": "HTTP://cats.example"},
    ),
    "a file": (FILE, DOCUMENT),
    "a script": (
        SourceFound(2, "Cats", "javascript:alert(1)", "Cats meow.", float("inf")),
        {**DOCUMENT, "title": "Cats", "filename": "javascript:alert(1)"},
    ),
    "nowhere": (
        SourceFound(2, "Cats", "", "Cats meow.", float("nan")),
        {key: value for key, value in DOCUMENT.items() if key != "filename"} | {"title": "Cats"},
    ),
}


@pytest.mark.parametrize(("found", "chunk"), SOURCES.values(), ids=SOURCES)
def test_sources(found: SourceFound, chunk: Any, node: Node):
    body = encoded([STARTED, found, COMPLETED])
    assert chunks(body)[3] == chunk
    _is_read(node, body, [])


# Whatever is said

HOSTILE = [
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\0",
    "\ufeff",
    "\u2028",
    "\x85",
    "\ud800",
    "🤙🏽",
    "data: x",
]
texts = st.text() | st.sampled_from(HOSTILE) | st.text(st.sampled_from("\ud83e\udd19\r\n\ufeff a"))


def as_utf16(text: str) -> bytes:
    """What the strings of JavaScript hold: two halves of a pair are one character there."""
    return text.encode("utf-16-le", "surrogatepass")


@given(tokens=st.lists(texts, max_size=20), size=st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_any_tokens_arrive_as_they_are(tokens: list[str], size: int, node: Node):
    body = encoded([STARTED, *map(AnswerDelta, tokens), COMPLETED])
    read = node.call("read", body=body.decode(), size=size)
    assert read["errors"] == []
    assert as_utf16(text_of(read["message"])) == as_utf16("".join(tokens))


ids = st.sampled_from(["c1", "c2"])
events = st.lists(
    st.builds(AnswerDelta, st.sampled_from(["a", "b", ""]), st.booleans())
    | st.sampled_from([YES, NO, ThoughtDelta("Hm"), PAGE, FILE])
    | st.builds(ToolStarted, ids, st.just("tool"), st.sampled_from(["{}", "x"]))
    | st.builds(ToolFinished, ids, st.just("tool"), st.just("out"), st.booleans()),
    max_size=15,
)
extras = st.sets(st.sampled_from(ALL))


@given(events, extras, st.booleans(), st.sampled_from([COMPLETED, RunCancelled()]))
@settings(max_examples=150, deadline=None)
def test_no_run_is_more_than_the_client_takes(
    node: Node, said: list[Event], shown: set[Any], can_reset: bool, end: Event
):
    body = encoded([STARTED, *said, end], shown, can_reset=can_reset)
    _is_read(node, body, said)
