"""The model's stand-in, read by the real client."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from tests.replies import Close, Gate, Raw, Reply, Stall, Status, cut_text, final
from tests.upstream import Upstream

ASK = {"model": "test", "messages": [{"role": "user", "content": "Hi"}]}
TEXT = "grüße, 世界 🤙"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def client(upstream: Upstream) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=upstream.url, api_key="test", max_retries=0)


async def stream(upstream: Upstream, **options) -> AsyncIterator:
    async with client(upstream) as openai_client:
        chunks = await openai_client.chat.completions.create(**ASK, stream=True, **options)
        async with chunks:
            async for chunk in chunks:
                yield chunk


async def read(upstream: Upstream, **options) -> list:
    return [chunk async for chunk in stream(upstream, **options)]


def text_of(chunks: list) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


@pytest.mark.parametrize(
    "wire",
    [{}, {"split": 1}, {"coalesce": 3}, {"eol": "\r\n"}, {"space": False}, {"done": False}],
    ids=str,
)
def test_streams_what_it_was_told(upstream: Upstream, wire: dict) -> None:
    reply = upstream.say(TEXT, cut=3, **wire)
    chunks = run(read(upstream, stream_options={"include_usage": True}))
    assert text_of(chunks) == TEXT
    assert len(chunks) == len(reply.tokens) + 3
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 34
    assert upstream.requests[0].headers["authorization"] == "Bearer test"
    assert (upstream.open, upstream.cancelled) == (0, 0)


def test_answers_at_once_by_default(upstream: Upstream) -> None:
    async def ask():
        async with client(upstream) as openai_client:
            assert (await openai_client.models.list()).data[0].id == "test"
            return await openai_client.chat.completions.create(**ASK)

    assert run(ask()).choices[0].message.content == final("Hello there.")


def test_a_rule_answers_when_nothing_is_scripted(upstream: Upstream) -> None:
    upstream.default = lambda request: Reply(tokens=[request["messages"][-1]["content"]])
    assert text_of(run(read(upstream))) == "Hi"


def test_raw_deltas_and_raw_bytes_stand_between_tokens(upstream: Upstream) -> None:
    call = {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}
    upstream.script(Reply(tokens=["a", b": keepalive\n\n", call], finish_reason="tool_calls"))
    chunks = run(read(upstream))
    assert chunks[2].choices[0].delta.tool_calls[0].function.arguments == "{}"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_gate_lets_tokens_through_one_by_one(upstream: Upstream) -> None:
    gate = Gate()
    upstream.say("abc", cut=1, gate=gate)

    async def ask():
        chunks = stream(upstream)
        await anext(chunks)
        for sent, letter in enumerate("abc"):
            assert upstream.requests[0].sent == sent
            gate.release(1)
            assert (await anext(chunks)).choices[0].delta.content == letter
        assert upstream.open == 1
        upstream.release()
        return [chunk async for chunk in chunks]

    assert run(ask())[-1].choices[0].finish_reason == "stop"


def test_sees_the_client_leave(upstream: Upstream) -> None:
    upstream.script(Stall(after=1))

    async def leave() -> None:
        task = asyncio.create_task(read(upstream))
        await upstream.until(lambda: upstream.open and upstream.requests[0].sent == 1)
        task.cancel()
        await upstream.until(lambda: upstream.cancelled == 1)

    run(leave())
    assert upstream.requests[0].left > upstream.requests[0].arrived
    assert upstream.open == 0


def test_a_stalled_reply_goes_on_when_released(upstream: Upstream) -> None:
    upstream.script(Stall(after=-1, tokens=cut_text(TEXT, 1)))

    async def ask():
        task = asyncio.create_task(read(upstream))
        await upstream.until(lambda: upstream.open)
        upstream.release()
        return await task

    assert text_of(run(ask())) == TEXT


@pytest.mark.parametrize("after", [-1, 0, 2])
@pytest.mark.parametrize("how", ["reset", "eof"])
def test_cuts_the_connection(upstream: Upstream, how: str, after: int) -> None:
    upstream.script(Close(after=after, how=how))
    with pytest.raises(openai.APIConnectionError):
        run(read(upstream))


def test_a_clean_end_without_a_finish_reason(upstream: Upstream) -> None:
    upstream.script(Close(after=2, tokens=["a", "b", "c"]))
    chunks = run(read(upstream))
    assert text_of(chunks) == "ab"
    assert not any(chunk.choices[0].finish_reason for chunk in chunks)


def test_statuses_and_raw_bytes(upstream: Upstream) -> None:
    upstream.script(Status(429, {"Retry-After": "1"}))
    with pytest.raises(openai.RateLimitError) as caught:
        run(read(upstream))
    assert caught.value.response.headers["retry-after"] == "1"
    upstream.script(Raw(b"<html>"))
    assert run(read(upstream)) == []


def test_an_error_of_a_rule_is_the_tests_error() -> None:
    def rule(request):
        raise KeyError("rule")

    with pytest.raises(KeyError), Upstream() as upstream:  # noqa: PT012  raised at exit
        upstream.default = rule
        with pytest.raises(openai.InternalServerError):
            run(read(upstream))


def test_a_condition_that_is_never_met(upstream: Upstream) -> None:
    with pytest.raises(TimeoutError):
        upstream.wait_for(lambda: upstream.open, timeout=0.01)
