"""How the fast stream fails, and what it waits for."""

import asyncio
import json

import openai
import pytest

from agent import fast_stream, models
from agent.decoder import Decoder
from stream.errors import (
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from tests.agent.fast import arguments_of, data, failure, frame, plain_model_on, read
from tests.agent.models import model_on
from tests.replies import Close, Gate, Raw, Reply, Stall, head

pytestmark = pytest.mark.anyio


MALFORMED = [
    b"{",
    b"",
    b"nonsense",
    b"[]",
    b"1",
    b'{"choices": 1}',
    b'{"choices": [1]}',
    b'{"choices": [{}]}',
    b'{"choices": [{"delta": []}]}',
    b'{"choices": [{"delta": {"tool_calls": [3]}}]}',
    b'{"choices": [], "usage": 3}',
    b"[" * 100_000,
    *(
        b'{"choices": [{"delta": {}, %b}]}' % field
        for field in (
            b'"finish_reason": 5',
            b'"finish_reason": ["stop"]',
            b'"logprobs": 1',
        )
    ),
    *(
        b'{"choices": [{"delta": {%b}}]}' % field
        for field in (
            b'"content": 5',
            b'"content": {}',
            b'"content": [5]',
            b'"content": true',
            b'"role": 5',
            b'"reasoning": 1, "tool_calls": {}',
            b'"tool_calls": [{}]',
            b'"tool_calls": [{"index": "0", "function": {}}]',
            b'"tool_calls": [{"index": 0, "function": {"arguments": 5}}]',
            b'"tool_calls": [{"index": 0, "function": {"name": []}}]',
            b'"tool_calls": [{"index": 0, "function": null}]',
            b'"tool_calls": [{"index": 0, "id": 5, "function": {}}]',
            b'"function_call": "t"',
            b'"function_call": {"arguments": {}}',
        )
    ),
    b'{"choices": [{"delta": {}}], "model": 5}',
    *(
        b'{"choices": [], "usage": {%b}}' % field
        for field in (
            b'"prompt_tokens": "5"',
            b'"prompt_tokens": 1.5',
            b'"prompt_tokens": -1',
            b'"total_tokens": 1' + b"0" * 400,
            b'"prompt_tokens_details": 1',
            b'"completion_tokens_details": {"reasoning_tokens": []}',
        )
    ),
]


@pytest.mark.parametrize("payload", MALFORMED, ids=lambda payload: payload[-40:])
@pytest.mark.parametrize("coalesce", [1, 100])
async def test_malformed_after_what_was_fine(upstream, payload: bytes, coalesce: int) -> None:
    upstream.script(Reply(tokens=["a", "b", data(payload), "c"], coalesce=coalesce))
    assert await failure(upstream) == ("ab", UpstreamMalformed)


@pytest.mark.parametrize("coalesce", [1, 100])
async def test_an_error_in_the_stream(upstream, coalesce: int) -> None:
    error = data(b'{"error": {"message": "sk-secret"}}')
    upstream.script(Reply(tokens=["a", "b", error, "c"], coalesce=coalesce))
    assert await failure(upstream) == ("ab", UpstreamUnavailable)


TRUNCATED = {
    "an end without a finish reason": Reply(tokens=["a"], finish_reason=None),
    "no [DONE] either": Reply(tokens=["a"], finish_reason=None, done=False),
    "a clean end in the middle": Close(after=1, tokens=["a", "b"], how="end"),
    "FIN": Close(after=1, tokens=["a", "b"], how="eof"),
    "RST": Close(after=1, tokens=["a", "b"], how="reset"),
    "in the middle of a frame": Close(after=2, tokens=["a", b'data: {"choices"', "b"], how="end"),
}


@pytest.mark.parametrize("reply", TRUNCATED.values(), ids=list(TRUNCATED))
async def test_a_stream_that_ends_early(upstream, reply: Reply) -> None:
    upstream.script(reply)
    said, kind = await failure(upstream)
    assert kind is UpstreamTruncated
    assert said in {"a", ""}  # an RST may overtake what was sent


async def test_a_last_line_without_its_end(upstream) -> None:
    content = data(json.dumps(frame("a", finish="stop")).encode()) + b"data: [DONE]"
    upstream.script(Raw(content, "text/event-stream"))
    async with model_on(upstream) as model:
        assert (await read(model)).content == "a"


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/html", UpstreamMalformed),
        ("application/json", UpstreamMalformed),
        ("text/event-stream", UpstreamTruncated),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html>\n</html>\n", b"data-\n\n"])
async def test_no_stream_at_all(upstream, content: bytes, content_type: str, kind) -> None:
    upstream.script(Raw(content, content_type))
    assert await failure(upstream) == ("", kind)


async def test_a_line_that_never_ends(upstream, monkeypatch) -> None:
    monkeypatch.setattr(fast_stream, "MAX_FRAME", 100_000)
    upstream.script(Reply(tokens=["a", b"data: " + b"x" * 200_000], split=10_000))
    assert await failure(upstream) == ("a", UpstreamMalformed)


class Silent(Raw):
    """A head that promises a body which never comes."""

    def head(self) -> bytes:
        return head(200, "text/event-stream", length=1000)


@pytest.mark.parametrize(
    ("constant", "reply", "said"),
    [
        ("FIRST_TOKEN_TIMEOUT", Silent(b""), ""),
        ("FIRST_TOKEN_TIMEOUT", Silent(b"data: "), ""),
        ("BETWEEN_TOKENS_TIMEOUT", Stall(after=1, tokens=["a", "b"]), "a"),
    ],
    ids=["no byte", "no frame", "no next"],
)
async def test_silence(upstream, monkeypatch, constant: str, reply, said: str) -> None:
    monkeypatch.setattr(fast_stream, constant, 0.5 if said else 0.05)
    upstream.script(reply)
    assert await failure(upstream) == (said, UpstreamTimeout)
    await upstream.until(lambda: upstream.open == 0)


KEEPALIVES = [b": keepalive\n\n"] * 10_000


NOTHING_MORE = [data(b'{"choices": []}')] * 10_000


END = data(json.dumps(frame("b", finish="stop")).encode())


async def test_comments_are_no_life(upstream, monkeypatch) -> None:
    monkeypatch.setattr(fast_stream, "BETWEEN_TOKENS_TIMEOUT", 0.5)
    upstream.script(Reply(tokens=["a", *KEEPALIVES], delay=0.01))
    assert await failure(upstream) == ("a", UpstreamTimeout)
    await upstream.until(lambda: upstream.open == 0)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(tokens=["a", END, *KEEPALIVES], delay=0.01),
        Reply(tokens=["a", END, *NOTHING_MORE], delay=0.01),
        Stall(after=2, tokens=["a", END, "never"]),
        Close(after=2, tokens=["a", END, "never"], how="eof"),
        Close(after=2, tokens=["a", END, "never"], how="end"),
    ],
    ids=["comments", "empty frames", "silence", "breaks off", "ends"],
)
async def test_after_a_finish_reason_the_reply_is_whole(upstream, monkeypatch, reply) -> None:
    monkeypatch.setattr(fast_stream, "DRAIN_TIMEOUT", 0.2)
    upstream.script(reply)
    async with model_on(upstream) as model:
        message = await read(model)
        assert (message.content, message.response_metadata["finish_reason"]) == ("ab", "stop")
        await upstream.until(lambda: upstream.open == 0)


async def test_usage_is_waited_for(upstream) -> None:
    gate = Gate(permits=1)
    upstream.script(Reply(tokens=[END], finish_reason=None, gate=gate))
    async with model_on(upstream) as model:
        chunks = model.astream("Hi")
        said = ""
        while not said:
            said += (await anext(chunks)).content
        gate.release()
        rest = [chunk async for chunk in chunks]
    assert [chunk.usage_metadata["total_tokens"] for chunk in rest if chunk.usage_metadata] == [46]


async def test_a_finish_reason_in_every_frame_ends_nothing(upstream, monkeypatch) -> None:
    monkeypatch.setattr(fast_stream, "DRAIN_TIMEOUT", 1.0)
    upstream.script(Reply(tokens=[END] * 6, delay=0.25, finish_reason=None))
    async with model_on(upstream) as model:
        said = [chunk.content async for chunk in model.astream("Hi")]
    assert "".join(said) == "b" * 6


async def test_what_is_malformed_after_a_finish_reason(upstream) -> None:
    upstream.script(Reply(tokens=[END, data(b"nonsense")]))
    assert await failure(upstream) == ("b", UpstreamMalformed)


async def test_done_without_a_finish_reason_is_not_waited_after(upstream) -> None:
    upstream.script(Stall(after=2, tokens=["a", data(b"[DONE]"), "never"]))
    assert await failure(upstream) == ("a", UpstreamTruncated)


async def test_a_body_that_is_not_as_it_is_said_to_be(upstream) -> None:
    upstream.script(Raw(b"no gzip", "text/event-stream", headers={"Content-Encoding": "gzip"}))
    assert await failure(upstream) == ("", UpstreamMalformed)


@pytest.mark.parametrize("coalesce", [1, 1000])
async def test_arguments_that_nobody_can_read(upstream, coalesce: int) -> None:
    upstream.script(Reply(tokens=arguments_of("x" * 5_000), coalesce=coalesce))
    assert await failure(upstream) == ("", UpstreamMalformed)


async def test_the_plain_path_believes_no_type_either(upstream) -> None:
    upstream.script(Reply(tokens=["a", {"tool_calls": [{"index": 0}]}]))
    async with plain_model_on(upstream) as model:
        with pytest.raises(UpstreamMalformed):
            await read(model)


async def test_silence_before_the_head(upstream, monkeypatch) -> None:
    monkeypatch.setattr(models, "FIRST_TOKEN_TIMEOUT", 0.05)
    monkeypatch.setattr(models, "BETWEEN_TOKENS_TIMEOUT", 0.05)
    monkeypatch.setattr(models, "RETRIES", 0)
    upstream.script(Stall(after=-1))
    said, kind = await failure(upstream)
    assert said == ""
    assert issubclass(kind, openai.APITimeoutError)


DONE = data(json.dumps(frame("a", finish="stop")).encode()) + data(b"[DONE]")


@pytest.mark.parametrize(
    "reply",
    [
        Stall(after=1, tokens=[DONE, "never"]),
        Close(after=1, tokens=[DONE, "never"], how="eof"),
        Reply(tokens=[DONE, "ignored", b"data: {"]),
    ],
    ids=["goes on", "breaks off", "says more"],
)
async def test_what_comes_after_done_does_not_matter(upstream, monkeypatch, reply) -> None:
    monkeypatch.setattr(fast_stream, "DRAIN_TIMEOUT", 0.05)
    async with model_on(upstream) as model:
        for _ in range(2):
            upstream.script(reply)
            assert (await read(model)).content == "a"


def test_nothing_counts_after_done() -> None:
    decoder = Decoder(100)
    assert decoder.feed(b"data: [DONE]\n") == []
    assert decoder.feed(b"data: nonsense\n" + b"x" * 200) == []
    assert (decoder.done, decoder.error) == (True, None)


async def test_leaving_closes_the_connection(upstream) -> None:
    upstream.script(Stall(after=1, tokens=["a", "b"]))
    async with model_on(upstream) as model:
        task = asyncio.create_task(read(model))
        await upstream.until(lambda: upstream.requests and upstream.requests[0].sent)
        task.cancel()
        await upstream.until(lambda: upstream.cancelled == 1)
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("how", ["eof", "reset"])
async def test_retries_before_the_first_token_only(upstream, how: str) -> None:
    upstream.script(Close(after=-1, how=how))
    async with model_on(upstream) as model:
        assert (await read(model)).content
        assert len(upstream.requests) == 2
    for _ in range(3):
        upstream.script(Close(after=-1, how=how))
    async with model_on(upstream) as model:
        with pytest.raises(openai.APIConnectionError):
            await read(model)
    assert len(upstream.requests) == 5
