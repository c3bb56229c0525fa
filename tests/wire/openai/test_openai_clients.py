"""OpenAI's wire as its real clients use it: Python, sync and async, JavaScript, LangChain."""

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from agent.offline.model import OfflineChatModel
from tests.node import Node
from tests.replies import Gate, Reply, Stall, Token, blob, final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import get, only_run, spoken
from tests.wire.openai.clients import (
    HI,
    MODEL,
    async_python,
    javascript,
    langchain,
    python,
    reasons,
    said,
)

HOSTILE = [
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\ufeff",
    "\u2028",
    "\x85",
    "🤙🏽",
    "data: [DONE]\n\n",
    "ü",
    '"\\',
]
"""Each of them has broken somebody's stream."""
EVIL: list[Token] = [final("".join(HOSTILE))]
THOUGHT: Token = {"reasoning_content": "Hm, "}


@pytest.fixture
def client(shared: Lastword) -> Iterator[openai.OpenAI]:
    with python(shared) as client:
        yield client


@pytest.fixture
def node(shared: Lastword) -> Iterator[Node]:
    with javascript(shared) as node:
        yield node


def ask(messages: Any = HI, **body: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": messages, **body}


# The Python package


def test_a_whole_answer(client: openai.OpenAI, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[blob("calculator", "6*7")], usage=(10, 1)))
    model.script(Reply(tokens=[final("It is 42.")], usage=(20, 2)))
    completion = client.chat.completions.create(**ask())
    assert completion.object == "chat.completion"
    assert completion.id == f"chatcmpl-{completion._request_id}"
    assert completion.model == MODEL
    (choice,) = completion.choices
    assert (choice.index, choice.finish_reason) == (0, "stop")
    assert choice.message.role == "assistant"
    assert choice.message.content == "It is 42."
    assert choice.message.tool_calls is None
    assert choice.message.refusal is None
    assert completion.usage
    assert completion.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 30,
        "completion_tokens": 3,
        "total_tokens": 33,
    }
    run = get(shared, f"/runs/{completion._request_id}").json()
    assert run["answer"] == "It is 42."
    assert run["created"].startswith("20")


def test_chunks_come_while_the_model_still_writes(client: openai.OpenAI, model: Upstream):
    gate = Gate()
    reply = model.script(Reply(tokens=spoken("Hello", " there", "!"), gate=gate))
    gate.release(2)  # what leads to the answer, and its first token
    chunks = client.chat.completions.create(**ask(), stream=True)
    first = next(chunks)
    assert first.object == "chat.completion.chunk"
    assert first.choices[0].delta.role == "assistant"
    assert first.choices[0].delta.content == ""
    for sent, piece in enumerate(["Hello", " there", "!"], 2):
        chunk = next(chunks)
        assert chunk.choices[0].delta.content == piece
        assert chunk.choices[0].delta.role is None
        assert (chunk.id, chunk.created, chunk.model) == (first.id, first.created, MODEL)
        assert model.requests[0].sent == sent < len(reply.tokens)
        gate.release(1)
    gate.release()
    (last,) = chunks
    assert last.choices[0].finish_reason == "stop"
    assert last.usage is None


def test_tools_are_nobodys_business(client: openai.OpenAI, model: Upstream):
    """A client that saw the server's tool calls would try to make them."""
    model.say(blob("calculator", "6*7"))
    model.say(final("It is 42."))
    chunks = list(client.chat.completions.create(**ask(), stream=True))
    assert said(chunks) == "It is 42."
    assert reasons(chunks) == ["stop"]
    assert not any(choice.delta.tool_calls for chunk in chunks for choice in chunk.choices)


def test_usage_comes_in_a_chunk_of_its_own(client: openai.OpenAI, model: Upstream):
    model.script(Reply(tokens=[final("Yes.")], usage=(7, 5)))
    options = {"include_usage": True, "include_obfuscation": False}
    chunks = list(client.chat.completions.create(**ask(), stream=True, stream_options=options))
    *others, last = chunks
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in others)
    assert others[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (7, 5)
    without = list(client.chat.completions.create(**ask(), stream=True))
    assert not any("usage" in chunk.model_fields_set for chunk in without)


@pytest.mark.parametrize("stream", [True, False])
def test_hostile_text_arrives_as_it_is(stream: bool, client: openai.OpenAI, model: Upstream):
    model.script(Reply(tokens=EVIL))
    answer = client.chat.completions.create(**ask(), stream=stream)
    text = said(answer) if stream else answer.choices[0].message.content
    assert text == "".join(HOSTILE)


@pytest.mark.parametrize("stream", [True, False])
def test_an_empty_answer_is_one(stream: bool, client: openai.OpenAI, model: Upstream):
    model.script(Reply(tokens=[final("")]))
    answer = client.chat.completions.create(**ask(), stream=stream)
    if stream:
        chunks = list(answer)
        assert (said(chunks), reasons(chunks)) == ("", ["stop"])
    else:
        assert answer.choices[0].message.content == ""


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["length", "content_filter"])
def test_the_finish_reason_is_true(how: Any, stream: bool, client: openai.OpenAI, model: Upstream):
    text = blob("Final Answer", "As far as it we")[:-6]
    model.script(Reply(tokens=[text], finish_reason=how))
    answer = client.chat.completions.create(**ask(), stream=stream)
    if stream:
        chunks = list(answer)
        assert (said(chunks), reasons(chunks)) == ("As far as it we", [how])
    else:
        (choice,) = answer.choices
        assert (choice.message.content, choice.finish_reason) == ("As far as it we", how)


def test_the_clients_helper_puts_it_together(client: openai.OpenAI, model: Upstream):
    model.script(Reply(tokens=spoken("Hello", " there")))
    with client.chat.completions.stream(**ask()) as stream:
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "Hello there"


@pytest.mark.parametrize("stream", [True, False])
def test_thoughts_are_for_those_who_ask(
    stream: bool, serve: Callable[..., Lastword], upstream: Upstream
):
    def reasoning(**extra: Any) -> str:
        upstream.script(Reply(tokens=[THOUGHT, *spoken("Yes", ".")]))
        answer = client.chat.completions.create(**ask(), stream=stream, extra_body=extra)
        if not stream:
            message = answer.choices[0].message
            assert message.content == "Yes."
            return getattr(message, "reasoning_content", "")
        chunks = list(answer)
        assert said(chunks) == "Yes."
        deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
        return "".join(getattr(delta, "reasoning_content", "") for delta in deltas)

    with python(serve(protocol="think+json_chat")) as client:
        assert reasoning(include_reasoning=True) == "Hm, "
        assert reasoning(include_reasoning=False) == ""
        assert reasoning() == ""


def test_the_models(serve: Callable[..., Lastword]):
    with python(serve(models=["openai:org/other", MODEL])) as client:
        assert [each.id for each in client.models.list()] == [MODEL, "openai:org/other"]
        found = client.models.retrieve("openai:org/other")
        assert (found.id, found.object, found.owned_by) == ("openai:org/other", "model", "lastword")
        assert client.chat.completions.create(**ask()).model == MODEL
        with pytest.raises(openai.NotFoundError) as refused:
            client.models.retrieve("openai:others")
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("named", [True, False])
def test_the_settings_reach_the_model(
    named: bool, serve: Callable[..., Lastword], upstream: Upstream
):
    with python(serve(models=["openai:other"])) as client:
        client.chat.completions.create(
            messages=HI,
            model="openai:other",
            temperature=0.25,
            seed=7,
            user="anne",
            **({"max_completion_tokens": 50} if named else {"max_tokens": 50}),
        )
    body = upstream.requests[0].body
    assert (body["model"], body["temperature"]) == ("other", 0.25)
    assert (body["seed"], body["user"]) == (7, "anne")
    assert 50 in {body.get("max_tokens"), body.get("max_completion_tokens")}


@pytest.mark.parametrize("stop", ["there", ["?", "there"], ["1", "2", "3", " there"]])
def test_the_answer_ends_before_a_stop(stop: Any, client: openai.OpenAI, model: Upstream):
    for stream in (True, False):
        model.script(Reply(tokens=spoken("Hello", " the", "re you")))
        answer = client.chat.completions.create(**ask(), stop=stop, stream=stream)
        text = said(answer) if stream else answer.choices[0].message.content
        assert text is not None
        assert text.strip() == "Hello"


async def _gathered(lastword: Lastword) -> tuple[list[Any], Any]:
    async with async_python(lastword) as client:
        stream = await client.chat.completions.create(**ask(), stream=True)
        return [chunk async for chunk in stream], await client.chat.completions.create(**ask())


@pytest.mark.anyio
async def test_the_async_client(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=EVIL))
    chunks, completion = await _gathered(shared)
    assert (said(chunks), reasons(chunks)) == ("".join(HOSTILE), ["stop"])
    assert completion.choices[0].message.content == "Hello there."


# The npm package


def test_javascript(node: Node, model: Upstream):
    assert node.call("models") == {"names": [MODEL]}
    assert node.call("model", name=MODEL)["model"]["id"] == MODEL
    model.say(blob("calculator", "6*7"))
    model.script(Reply(tokens=EVIL, usage=(7, 5)))
    answer = node.call("create", body=ask())
    (choice,) = answer["completion"]["choices"]
    assert choice["message"]["content"] == "".join(HOSTILE)
    assert choice["finish_reason"] == "stop"
    assert answer["completion"]["id"] == f"chatcmpl-{answer['request']}"


def test_javascript_gets_chunks_while_the_model_still_writes(node: Node, model: Upstream):
    gate = Gate()
    reply = model.script(Reply(tokens=spoken("Hello", " there", "!"), gate=gate))
    gate.release(2)
    assert node.call("open", body=ask()) == {}
    assert node.call("next")["chunk"]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    for sent, piece in enumerate(["Hello", " there", "!"], 2):
        assert node.call("next")["chunk"]["choices"][0]["delta"] == {"content": piece}
        assert model.requests[0].sent == sent < len(reply.tokens)
        gate.release(1)
    gate.release()
    last = node.call("next")["chunk"]["choices"][0]
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")
    assert node.call("next") == {"done": True}


def test_javascript_with_usage_and_thoughts(serve: Callable[..., Lastword], upstream: Upstream):
    upstream.script(Reply(tokens=[THOUGHT, *EVIL], usage=(7, 5)))
    options = {"stream_options": {"include_usage": True}, "include_reasoning": True}
    with javascript(serve(protocol="think+json_chat")) as node:
        chunks = node.call("gather", body=ask(**options))["chunks"]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == "".join(HOSTILE)
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Hm, "
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 12)


def test_javascripts_helper_puts_it_together(node: Node, model: Upstream):
    model.script(Reply(tokens=spoken("Hello", " there")))
    (choice,) = node.call("helper", body=ask())["completion"]["choices"]
    assert choice["message"]["content"] == "Hello there"


# LangChain


def test_langchain(shared: Lastword, model: Upstream):
    model.default = lambda _: Reply(tokens=[THOUGHT, *EVIL], usage=(7, 5))
    chat = langchain(shared, temperature=0, seed=3, stop=["never"])
    whole = chat.invoke([SystemMessage("Be brief."), HumanMessage("hi")])
    assert whole.text == "".join(HOSTILE)
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.tool_calls == []
    assert whole.usage_metadata
    assert whole.usage_metadata["total_tokens"] == 12
    assert "Be brief." in str(model.requests[0].body["messages"])
    assert "".join(chunk.text for chunk in chat.stream("hi")) == "".join(HOSTILE)


@pytest.mark.anyio
async def test_langchain_gets_chunks_while_the_model_still_writes(
    shared: Lastword, model: Upstream
):
    gate = Gate()
    model.script(Reply(tokens=spoken("Hello", " there", "!"), gate=gate, usage=(7, 5)))
    gate.release(2)
    stream = langchain(shared, stream_usage=True).astream("hi")
    seen = await anext(stream)
    for sent, text in enumerate(["Hello", "Hello there", "Hello there!"], 2):
        while seen.text != text:
            seen += await anext(stream)
        assert model.requests[0].sent == sent
        gate.release(1)
    gate.release()
    async for chunk in stream:
        seen += chunk
    assert seen.text == "Hello there!"
    assert seen.response_metadata["finish_reason"] == "stop"
    assert seen.usage_metadata
    assert seen.usage_metadata["total_tokens"] == 12


# The server as it is without any setting


def test_offline(serve: Callable[..., Lastword], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(OfflineChatModel, "_pause", 0)
    with python(serve(model="offline", openai_base_url=None)) as client:
        (name,) = [each.id for each in client.models.list()]
        first = [{"role": "user", "content": "what is the square root of 71?"}]
        answer = client.chat.completions.create(model=name, messages=first).choices[0].message
        assert "8.42614977" in str(answer.content)
        messages = [*first, answer.model_dump(), {"role": "user", "content": "and that times two?"}]
        again = client.chat.completions.create(model=name, messages=messages, stream=True)
        assert "16.8522995" in said(again)


def test_who_leaves_stops_the_model(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(on_disconnect="cancel")
    upstream.script(Stall(tokens=spoken("Begun", "never said"), after=2))
    with python(lastword) as client, client.chat.completions.create(**ask(), stream=True) as chunks:
        assert next(chunks).choices[0].delta.content == ""
        assert next(chunks).choices[0].delta.content == "Begun"
        run = only_run(lastword)
    upstream.wait_for(lambda: upstream.cancelled == 1)
    lastword.wait_until_idle()
    assert get(lastword, f"/runs/{run}").json()["state"] == "cancelled"
