"""The encoder, from golden bytes, and read by parsers that owe nothing to it."""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from httpx_sse._decoders import SSEDecoder, SSELineDecoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai._streaming import SSEDecoder as OpenAiDecoder

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
from tests.node import Node, running
from wire.append_only import AppendOnly, Eager
from wire.openai.encoder import ChunkEncoder, Head, completion

HEAD = Head("chatcmpl-1", 7, "m")
BASE = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m"'
START, END = RunStarted("1", "t"), RunCompleted("stop", Usage(7, 5))
TOOL = (ToolStarted("c1", "calculator", "{}"), ToolFinished("c1", "calculator", "42"))
SOURCES = (
    SourceFound(1, "One", "https://one.example/", "…", 0.9),
    SourceFound(2, "Two", "two.md", "…", 0.8),
    SourceFound(3, "Three", "three.md", "…", 0.7),
)


def entries(*events: Event) -> list[Entry]:
    return [Entry(Cursor(str(n)), event) for n, event in enumerate(events, 1)]


def encoder(growing: type[AppendOnly] = AppendOnly, **options: bool) -> ChunkEncoder:
    return ChunkEncoder(HEAD, growing(), **options)


def chunk(delta: str, reason: str = "null", more: str = "") -> bytes:
    choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}'
    return f'data: {{{BASE},"choices":[{choice}]{more}}}\n\n'.encode()


def text(text: str) -> bytes:
    return chunk(f'{{"content":{json.dumps(text)}}}')


ROLE = chunk('{"role":"assistant","content":""}')
STOP = chunk("{}", '"stop"')
DONE = b"data: [DONE]\n\n"
BROKEN = (
    b'data: {"error":{"message":"Oh.","type":"server_error","param":null,'
    b'"code":"upstream_timeout"}}\n\n' + DONE
)
CANCELLED = (
    b'data: {"error":{"message":"The run was cancelled.","type":"cancelled","param":null,'
    b'"code":"cancelled"}}\n\n' + DONE
)
MAYBE = AnswerDelta("b", certain=False)
GOLDEN: dict[str, tuple[list[Event], bytes]] = {
    "nothing, for a while": ([], b": heartbeat\n"),
    "the start": ([START], ROLE),
    "text of one batch is one chunk": (
        [AnswerDelta("a\u2028"), AnswerDelta("\n")],
        text("a\u2028\n"),
    ),
    "tools": ([*TOOL], b""),
    "a thought": ([ThoughtDelta("Hm")], b""),
    "a source": ([SOURCES[0]], b""),
    "uncertain": ([AnswerDelta("a"), MAYBE], text("a")),
    "confirmed": ([MAYBE, AnswerConfirmed(), AnswerDelta("a")], text("ba")),
    "retracted": ([MAYBE, AnswerRetracted()], b""),
    "the end": ([END], STOP + DONE),
    "cut off": ([RunCompleted("length")], chunk("{}", '"length"') + DONE),
    "filtered": ([RunCompleted("content_filter")], chunk("{}", '"content_filter"') + DONE),
    "a failure": ([RunFailed("upstream_timeout", "Oh.", True)], BROKEN),
    "cancelled": ([RunCancelled()], CANCELLED),
    "all at once": ([START, AnswerDelta("a"), END], ROLE + text("a") + STOP + DONE),
    "text, then a failure": (
        [START, AnswerDelta("a"), RunFailed("upstream_timeout", "Oh.", True)],
        ROLE + text("a") + BROKEN,
    ),
}


@pytest.mark.parametrize(("events", "encoded"), GOLDEN.values(), ids=GOLDEN)
def test_golden_bytes(events: list[Event], encoded: bytes):
    assert encoder().encode(entries(*events)) == encoded


def test_usage_is_in_every_chunk():
    null, used = ',"usage":null', '"prompt_tokens":7,"completion_tokens":5,"total_tokens":12'
    assert encoder(with_usage=True).encode(entries(START, AnswerDelta("a"), END)) == (
        chunk('{"role":"assistant","content":""}', more=null)
        + chunk('{"content":"a"}', more=null)
        + chunk("{}", '"stop"', null)
        + f'data: {{{BASE},"choices":[],"usage":{{{used}}}}}\n\n'.encode()
        + DONE
    )


def test_a_failed_run_has_no_usage():
    end = RunFailed("upstream_timeout", "Oh.", True)
    assert encoder(with_usage=True).encode(entries(end)) == BROKEN


def test_thoughts_come_before_the_text():
    batch = entries(ThoughtDelta("H"), ThoughtDelta("m"), AnswerDelta("a"))
    assert encoder(with_reasoning=True).encode(batch) == (
        chunk('{"reasoning_content":"Hm"}') + text("a")
    )


def test_what_is_uncertain_may_be_shown_at_once():
    eager = encoder(Eager)
    assert eager.encode(entries(MAYBE)) == text("b")
    assert eager.encode(entries(AnswerRetracted())) == b""
    assert eager.encode(entries(AnswerDelta("a"))) == text("\n\na")


def test_a_stream_that_breaks_off_here():
    assert encoder().fail(ServerShutdown()) == (
        b'data: {"error":{"message":"The server is going down. Try again soon.",'
        b'"type":"server_error","param":null,"code":"server_shutdown"}}\n\n' + DONE
    )


# Sources

CITED = [
    {"url": "https://one.example/", "title": "One", "start_index": 4, "end_index": 7},
    {"url": "https://one.example/", "title": "One", "start_index": 14, "end_index": 17},
    {"url": "two.md", "title": "Two", "start_index": 7, "end_index": 10},
]
ANNOTATIONS = [{"type": "url_citation", "url_citation": each} for each in CITED]


def test_sources_stand_in_the_last_chunk():
    stream = encoder()
    stream.encode(entries(START, *SOURCES, AnswerDelta("Yes [1][2]")))
    stream.encode(entries(AnswerDelta(" and"), AnswerDelta("[1]")))
    last, done, _ = stream.encode(entries(END)).split(b"\n\n")
    (choice,) = json.loads(last.removeprefix(b"data: "))["choices"]
    assert choice["delta"] == {"annotations": ANNOTATIONS}
    assert choice["finish_reason"] == "stop"
    assert done == b"data: [DONE]"


def test_where_sources_are_cited_is_read_as_everywhere():
    answer = "Both [1, 2], but `[1]` is code."
    document = completion(HEAD, answer, END, SOURCES[:2])
    told = document["choices"][0]["message"]["annotations"]
    places = [(each["url_citation"]["title"], each["url_citation"]["start_index"]) for each in told]
    assert places == [("One", 5), ("Two", 5)]


def test_a_run_that_begins_anew_numbers_its_sources_anew():
    stream = encoder(Eager)
    stream.encode(entries(START, *SOURCES, AnswerDelta("a [2], [1]")))
    stream.encode(entries(AnswerRetracted(certain=True), SOURCES[0]))
    last, *_ = stream.encode(entries(AnswerDelta("b [1]"), END)).split(b"\n\n")[1:]
    (choice,) = json.loads(last.removeprefix(b"data: "))["choices"]
    (cited,) = choice["delta"]["annotations"]
    assert cited["url_citation"]["start_index"] == len("a [2], [1]\n\nb ")


def test_a_whole_completion():
    answer = "Yes [1][2] and[1]"
    assert completion(HEAD, answer, END, SOURCES, "Hm") == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": answer,
                    "refusal": None,
                    "annotations": ANNOTATIONS,
                    "reasoning_content": "Hm",
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }


def test_a_whole_completion_without_more():
    message = completion(HEAD, "", END)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "", "refusal": None}


# Any text, read by others


def by_openai(pieces: Sequence[bytes]) -> list[str]:
    return [event.data for event in OpenAiDecoder().iter_bytes(iter(pieces))]


def by_httpx_sse(pieces: Sequence[bytes]) -> list[str]:
    lines, decoder = SSELineDecoder(), SSEDecoder()
    read = [line for piece in pieces for line in lines.decode(piece.decode())]
    events = [decoder.decode(line) for line in [*read, *lines.flush()]]
    return [event.data for event in events if event]


def by_splitting(pieces: Sequence[bytes]) -> list[str]:
    """As programs do it that know the API from its documentation only."""
    lines = b"".join(pieces).decode().splitlines()
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running("openai.mjs") as node:
        yield node


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def answer_of(chunks: Sequence[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


HARD = ["\r", "\n", "\r\n", "\0", "\ufeff", "\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\ud83e"]
HARD += ["\udd19", "🤙🏽", "data: [DONE]\n\n", ": ", "\\", '"', "</script>"]
TOKENS = st.lists(st.sampled_from(HARD) | st.text(max_size=5), max_size=12)
BATCHES = st.lists(TOKENS, max_size=4)


def joined(batches: list[list[str]]) -> str:
    """Two halves of a character that meet are that character."""
    text = "".join(token for tokens in batches for token in tokens)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def encoded(batches: list[list[str]]) -> bytes:
    stream = encoder()
    said = [[AnswerDelta(token) for token in tokens] for tokens in batches]
    return b"".join(stream.encode(entries(*events)) for events in [[START], *said, [END]])


@settings(max_examples=150, deadline=None)
@given(BATCHES, st.integers(1, 40))
def test_any_text_is_the_same_for_all_parsers(batches: list[list[str]], size: int):
    data = encoded(batches)
    assert data.isascii()
    assert b"\r" not in data
    for parse in (by_openai, by_httpx_sse, by_splitting):
        *chunks, done = parse(cut(data, size))
        assert done == "[DONE]"
        assert joined([[answer_of([json.loads(chunk) for chunk in chunks])]]) == joined(batches)


# The process is the same for all examples, and keeps nothing of them.
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(BATCHES, min_size=10, max_size=40), st.integers(1, 40))
def test_any_text_is_the_same_in_javascript(node: Node, many: list[Any], size: int):
    bodies = [base64.b64encode(encoded(batches)).decode() for batches in many]
    streams = node.call("parse", bodies=bodies, piece=size)["streams"]
    assert [joined([[answer_of(each)]]) for each in streams] == list(map(joined, many))
