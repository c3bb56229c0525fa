"""The fast stream says the same as the SDK's own."""

import json
from typing import Any

import pytest

from agent.fast_stream import FastCompletions
from tests.agent.fast import TOOL_CALL, arguments_of, data, frame, plain_model_on, read
from tests.agent.models import model_on
from tests.replies import Reply, cut_text

pytestmark = pytest.mark.anyio


TEXT = 'grüße, 世界 🤙 "\\u00e9" data: [DONE]\n\n'


MODELS = {"fast": model_on, "plain": plain_model_on}


def comparable(message: Any) -> dict:
    return message.model_dump(exclude={"id"})


REPLIES = {
    "as usual": Reply(tokens=cut_text(TEXT, 1)),
    "no usage": Reply(tokens=["a", "b"], usage=(0, 0)),
    "CRLF": Reply(tokens=cut_text(TEXT, 2), eol="\r\n"),
    "no space": Reply(tokens=cut_text(TEXT, 2), space=False),
    "byte by byte": Reply(tokens=cut_text(TEXT, 5), split=1),
    "byte by byte, CRLF": Reply(tokens=cut_text(TEXT, 5), split=1, eol="\r\n"),
    "inside characters": Reply(tokens=cut_text(TEXT, 3), split=7),
    "all at once": Reply(tokens=cut_text(TEXT * 30, 1), coalesce=1000),
    "in bursts": Reply(tokens=cut_text(TEXT * 10, 3), coalesce=7, split=100),
    "no [DONE]": Reply(tokens=cut_text(TEXT, 4), done=False),
    "comments": Reply(tokens=[b": keepalive\n\n", "a", b":\n\n:x\n\n", "b"]),
    "tool call": Reply(tokens=["Let me see. ", *TOOL_CALL], finish_reason="tool_calls", coalesce=9),
    "cut": Reply(tokens=["a"], finish_reason="length"),
    "filtered": Reply(tokens=["a"], finish_reason="content_filter"),
    "empty": Reply(tokens=[]),
    "a very long token": Reply(tokens=["x" * 300_000], split=50_000),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
async def test_says_the_same_as_the_plain_path(upstream, reply: Reply) -> None:
    upstream.default = lambda _: reply
    said = {}
    for name, model_for in MODELS.items():
        async with model_for(upstream) as model:
            said[name] = comparable(await read(model))
    assert said["fast"] == said["plain"]
    texts = [token for token in reply.tokens if isinstance(token, str)]
    assert said["fast"]["content"] == "".join(texts)


async def test_asks_the_same_as_the_plain_path(upstream) -> None:
    for model_for in MODELS.values():
        async with model_for(upstream, temperature=0.5) as model:
            await read(model, stop=["x"])
    fast, plain = (request.body for request in upstream.requests)
    assert fast == plain


async def test_the_plain_path_takes_what_the_fast_one_does_not(upstream) -> None:
    async with model_on(upstream) as model:
        assert isinstance(model.async_client, FastCompletions)
        assert "Hello there." in (await read(model, extra_headers={"X-Own": "1"})).content
        assert upstream.requests[0].headers["x-own"] == "1"
        whole = await model.async_client.create(model="test", messages=[])
        assert "Hello there." in whole.choices[0].message.content
        assert model.async_client.with_raw_response


async def test_frames_without_data_are_passed_over(upstream) -> None:
    """The SDK's own stream takes them for broken JSON."""
    upstream.script(Reply(tokens=["a", b"event: x\n\n", "b", b"id: 1\nretry: 5\n\n"]))
    async with model_on(upstream) as model:
        assert (await read(model)).content == "ab"


async def test_text_that_arrived_together_is_one_chunk(upstream) -> None:
    upstream.script(Reply(tokens=cut_text("x" * 100, 1), coalesce=1000))
    async with model_on(upstream) as model:
        chunks = [chunk.content async for chunk in model.astream("Hi")]
    assert "".join(chunks) == "x" * 100
    assert len([chunk for chunk in chunks if chunk]) < 10


@pytest.mark.parametrize("done", [True, False])
async def test_a_connection_serves_again(upstream, done: bool) -> None:
    opened = 0
    count = type(upstream)._connection

    async def counted(*args: Any) -> None:
        nonlocal opened
        opened += 1
        await count(upstream, *args)

    upstream._connection = counted  # read at each new connection
    async with model_on(upstream) as model:
        for _ in range(5):
            upstream.script(Reply(done=done))
            await read(model)
    assert opened == 1


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"\ud83e\udd19", "🤙"),
        (rb"a\ud800b", "a\ud800b"),
        (rb"\udc00", "\udc00"),
    ],
)
async def test_surrogate_escapes(upstream, source: bytes, text: str) -> None:
    upstream.script(
        Reply(tokens=[data(b'{"choices":[{"index":0,"delta":{"content":"%b"}}]}' % source)])
    )
    async with model_on(upstream) as model:
        assert (await read(model)).content == text


@pytest.mark.parametrize("coalesce", [1, 1000])
async def test_long_arguments_piece_by_piece(upstream, coalesce: int) -> None:
    arguments = {"a": "x" * 5_000}
    upstream.script(Reply(tokens=arguments_of(json.dumps(arguments)), coalesce=coalesce))
    async with model_on(upstream) as model:
        chunks = [chunk async for chunk in model.astream("Hi")]
        upstream.script(Reply(tokens=arguments_of(json.dumps(arguments)), coalesce=coalesce))
        message = await model.ainvoke("Hi")
    assert [call["args"] for call in message.tool_calls] == [arguments]
    pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
    assert "".join(piece["args"] for piece in pieces) == json.dumps(arguments)
    assert coalesce == 1 or len(pieces) < 1_000


async def test_calls_without_an_index(upstream) -> None:
    """Some servers leave it out where each call comes whole."""
    calls = [{"id": i, "function": {"name": i, "arguments": "{}"}} for i in "ab"]
    upstream.script(Reply(tokens=[{"tool_calls": calls}], finish_reason="tool_calls"))
    async with model_on(upstream) as model:
        message = await model.ainvoke("Hi")
    assert [call["name"] for call in message.tool_calls] == ["a", "b"]


@pytest.mark.parametrize("role", ["user", "tool", "system", "function", "model"])
async def test_it_is_the_models_reply_whoever_it_says_it_is(upstream, role: str) -> None:
    upstream.script(
        Reply(tokens=[{"role": role, "reasoning": "Hm"}, {"role": role, "content": "a"}])
    )
    async with model_on(upstream) as model:
        message = await model.ainvoke("Hi")
    assert (message.type, message.content) == ("ai", "a")


async def test_a_frame_that_langchain_passes_over(upstream) -> None:
    beta = {"type": "content.delta", **frame(None)}
    upstream.script(Reply(tokens=["a", data(json.dumps(beta).encode()), "b"]))
    async with model_on(upstream) as model:
        assert (await read(model)).content == "ab"
