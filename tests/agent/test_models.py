"""Models by name."""

import socket

import openai
import pytest

from agent.models import (
    OFFLINE,
    OpenAICompatible,
    UnknownModel,
    chat_model,
    close,
    first_model,
)
from agent.offline.model import OfflineChatModel
from tests.replies import Raw, Status, dumps

SECRET = "sk-secret"


def test_offline_needs_nothing() -> None:
    model = chat_model(OFFLINE, tokens_per_second=0)
    assert isinstance(model, OfflineChatModel)
    assert model.tokens_per_second == 0


@pytest.mark.anyio
@pytest.mark.parametrize("key", [None, SECRET])
async def test_openai_compatible(upstream, key: str | None) -> None:
    model = chat_model("openai:some:name", api_key=key, base_url=upstream.url, temperature=0.5)
    assert isinstance(model, OpenAICompatible)
    message = await model.ainvoke("Hi")
    request = upstream.requests[0]
    assert (request.body["model"], request.body["temperature"]) == ("some:name", 0.5)
    assert request.body["stream"] is True
    assert request.headers["authorization"] == f"Bearer {key or 'none'}"
    assert message.usage_metadata["total_tokens"] == 46
    await close(model)
    assert model.root_async_client.is_closed()
    model.root_client.close()


def test_the_key_is_not_shown() -> None:
    model = chat_model("openai:x", api_key=SECRET)
    assert SECRET not in repr(model)
    model.root_client.close()


BAD_KEYS = ["schlüssel", "sk-1\n", "sk-\x00", "“sk-1”"]


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("fast_stream", [True, False])
def test_a_key_that_no_header_can_carry(monkeypatch, key: str, fast_stream: bool) -> None:
    with pytest.raises(UnknownModel, match="OPENAI_API_KEY") as caught:
        chat_model("openai:x", api_key=key, fast_stream=fast_stream)
    assert key not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["schlüssel", "sk-1\n"])
def test_such_a_key_of_the_environment(monkeypatch, upstream, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for use in (lambda: chat_model("openai:x"), lambda: first_model(upstream.url)):
        with pytest.raises(UnknownModel, match="OPENAI_API_KEY"):
            use()


@pytest.mark.anyio
@pytest.mark.parametrize("fast_stream", [True, False])
@pytest.mark.parametrize(
    ("headers", "requests"),
    [
        ({}, 3),
        ({"Retry-After-Ms": "10"}, 3),
        ({"Retry-After-Ms": "10", "Retry-After": "50"}, 3),
        ({"Retry-After-Ms": "?", "Retry-After": "0.01"}, 3),
        ({"Retry-After": "50"}, 1),
        ({"Retry-After-Ms": "50000"}, 1),
        ({"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}, 1),
    ],
    ids=str,
)
async def test_nobody_is_kept_waiting_for_long(
    upstream, headers: dict, requests: int, fast_stream: bool
) -> None:
    upstream.default = lambda _: Status(429, headers)
    model = chat_model("openai:x", base_url=upstream.url, fast_stream=fast_stream)
    with pytest.raises(openai.RateLimitError):
        await model.ainvoke("Hi")
    assert len(upstream.requests) == requests
    await close(model)
    model.root_client.close()


@pytest.mark.anyio
async def test_other_models_have_nothing_of_ours_to_close() -> None:
    await close(OfflineChatModel())


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nope", "not a model's name"),
        ("nope:x", "not a model's name"),
        ("openai", "not a model's name"),
        ("openai:", "not a model's name"),
        ("offline:x", "not a model's name"),
        (":", "not a model's name"),
        ("", "not a model's name"),
        ("anthropic:claude", "needs a package that is not installed"),
        ("azure_openai:x", "it may need an API key"),
    ],
)
def test_what_cannot_be_had_says_why(name: str, hint: str) -> None:
    with pytest.raises(UnknownModel, match=hint) as caught:
        chat_model(name)
    assert repr(name) in str(caught.value)


def test_a_provider_that_is_installed(monkeypatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01")
    assert type(chat_model("azure_openai:x")).__name__ == "AzureChatOpenAI"


# The first model of a server.


@pytest.fixture
def models_answer(upstream, monkeypatch):
    """What the server says of its models."""

    def answer(raw: Raw) -> str:
        reply_to = upstream._reply_to
        monkeypatch.setattr(
            upstream, "_reply_to", lambda r: raw if r.path.endswith("/models") else reply_to(r)
        )
        return upstream.url

    return answer


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_first_model(upstream, slash: str) -> None:
    assert first_model(upstream.url + slash) == "openai:test"


JSON = "application/json"


@pytest.mark.parametrize(
    "raw",
    [
        Raw(b"<html>"),
        Raw(b"", JSON),
        Raw(b"{}", JSON),
        Raw(b"[]", JSON),
        Raw(dumps({"data": []}), JSON),
        Raw(dumps({"data": None}), JSON),
        Raw(dumps({"data": {}}), JSON),
        Raw(dumps({"data": [{}]}), JSON),
        Raw(dumps({"data": ["x"]}), JSON),
        Status(401),
        Status(500),
    ],
    ids=lambda raw: f"{raw.status} {raw.content[:20]}",
)
def test_a_server_that_does_not_tell(models_answer, raw: Raw) -> None:
    with pytest.raises(UnknownModel, match="did not list its models") as caught:
        first_model(models_answer(raw), SECRET)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://[::1", "no-scheme/v1", "", "http://user:pw@127.0.0.1:99999"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(UnknownModel, match="did not list its models"):
        first_model(url)


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses
        with pytest.raises(UnknownModel, match="is it up"):
            first_model(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
