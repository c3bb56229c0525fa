"""`provider:name` -> chat model."""

from typing import Any, Self

import httpx2
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from openai import DefaultAioHttpClient
from pydantic import model_validator

from agent.fast_stream import BETWEEN_TOKENS_TIMEOUT, FIRST_TOKEN_TIMEOUT, FastCompletions
from agent.offline import OfflineChatModel

OFFLINE = "offline"
CONNECT_TIMEOUT = 5.0
RETRIES = 2
"""Before the first token only. The SDK honours `Retry-After`."""
NO_KEY = "none"
"""Servers of one's own often want no key, but the SDK always sends one."""


class UnknownModel(ValueError):
    """The name is not a model that can be had here. The message says what to do."""


class OpenAICompatible(ChatOpenAI):
    """OpenAI, or any server that speaks its chat completions, streamed fast."""

    @model_validator(mode="after")
    def _stream_fast(self) -> Self:
        self.async_client = FastCompletions(self.root_async_client)
        return self


def chat_model(
    name: str, *, api_key: str | None = None, base_url: str | None = None, **settings: Any
) -> BaseChatModel:
    """The model of that name: `offline`, `openai:<name>`, or what `init_chat_model` knows."""
    if name == OFFLINE:
        return OfflineChatModel(**settings)
    provider, _, model = name.partition(":")
    if provider == "openai" and model:
        return openai_compatible(model, api_key=api_key, base_url=base_url, **settings)
    try:
        model_of_provider: BaseChatModel = init_chat_model(name, **settings)
        return model_of_provider
    except ImportError as error:
        raise UnknownModel(f"{name!r} needs a package that is not installed: {error}") from error
    except ValueError as error:
        raise UnknownModel(
            f"{name!r} is not a model's name: use `offline` or `provider:name`, "
            "for example `openai:gpt-4.1-mini`."
        ) from error


def openai_compatible(
    model: str, *, api_key: str | None = None, base_url: str | None = None, **settings: Any
) -> OpenAICompatible:
    """A model on an OpenAI-compatible server, with timeouts that fit a stream."""
    read = max(FIRST_TOKEN_TIMEOUT, BETWEEN_TOKENS_TIMEOUT)
    timeout = httpx2.Timeout(read, connect=CONNECT_TIMEOUT)
    return OpenAICompatible(
        model=model,
        api_key=api_key or NO_KEY,
        base_url=base_url,
        streaming=True,
        stream_usage=True,
        use_responses_api=False,
        max_retries=RETRIES,
        timeout=timeout,
        stream_chunk_timeout=None,  # a task per chunk; fast_stream has its own
        http_async_client=DefaultAioHttpClient(timeout=timeout),
        **settings,
    )


async def close(model: BaseChatModel) -> None:
    """Close the model's connections, if it has any of ours."""
    if isinstance(model, OpenAICompatible):
        await model.root_async_client.close()


def first_model(base_url: str, api_key: str | None = None) -> str:
    """The first model that a compatible server offers, as `openai:<name>`."""
    try:
        answer = httpx2.get(
            f"{base_url.rstrip('/')}/models",
            headers={"Authorization": f"Bearer {api_key or NO_KEY}"},
            timeout=CONNECT_TIMEOUT,
        )
        answer.raise_for_status()
        return f"openai:{answer.json()['data'][0]['id']}"
    except (httpx2.HTTPError, ValueError, LookupError, TypeError) as error:
        raise UnknownModel(
            "The server at OPENAI_BASE_URL did not list its models: is it up? "
            "LASTWORD_MODEL=openai:<name> starts without asking it."
        ) from error
