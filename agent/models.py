"""`provider:name` -> chat model."""

import contextlib
import math
from typing import Any, Self

import httpx2
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, ToolCallChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.utils import secret_from_env
from langchain_openai import ChatOpenAI
from openai import DefaultAioHttpClient
from pydantic import SecretStr, model_validator

from agent.fast_stream import (
    BETWEEN_TOKENS_TIMEOUT,
    FIRST_TOKEN_TIMEOUT,
    FastCompletions,
)
from agent.frames import only_text
from agent.offline.model import OfflineChatModel
from stream.errors import UpstreamMalformed

OFFLINE = "offline"
CONNECT_TIMEOUT = 5.0
RETRIES = 2
"""Before the first token only. The SDK honours `Retry-After`."""
MAX_RETRY_AFTER = 5.0
"""Seconds. Who is asked to wait for longer is told at once, and not kept waiting in silence."""
NO_KEY = "none"
"""Servers of one's own often want no key, but the SDK always sends one."""


_TEXT_MESSAGE = AIMessageChunk(content="")
_TEXT_CHUNK = ChatGenerationChunk(message=_TEXT_MESSAGE)


class UnknownModel(ValueError):
    """The name is not a model that can be had here. The message says what to do."""


class OpenAICompatible(ChatOpenAI):
    """OpenAI, or any server that speaks its chat completions, streamed fast."""

    def _convert_chunk_to_generation_chunk(
        self,
        chunk: dict[str, Any],
        default_chunk_class: type,
        base_generation_info: dict[str, Any] | None,
    ) -> ChatGenerationChunk | None:
        """Most chunks are text and nothing else: a copy of one costs half of a new one."""
        text = only_text(chunk)
        if text is None or base_generation_info or default_chunk_class is not AIMessageChunk:
            try:
                calls = _calls(chunk)
                converted = super()._convert_chunk_to_generation_chunk(
                    chunk, default_chunk_class, base_generation_info
                )
            except (AttributeError, LookupError, TypeError, ValueError):
                raise UpstreamMalformed from None  # langchain-openai believes every field's type
            if converted and isinstance(converted.message, AIMessageChunk):
                converted.message.tool_call_chunks = calls
                if thought := _thought(chunk):
                    converted.message.additional_kwargs["reasoning_content"] = thought
            return converted
        metadata = {"model_provider": "openai"}
        message = _TEXT_MESSAGE.model_copy(
            update={"content": text, "additional_kwargs": {}, "response_metadata": metadata}
        )
        return _TEXT_CHUNK.model_copy(update={"message": message, "text": text})

    @model_validator(mode="after")
    def _stream_fast(self) -> Self:
        self.async_client = FastCompletions(self.root_async_client)
        return self


def _calls(chunk: dict[str, Any]) -> list[ToolCallChunk]:
    """Taken out of the frame: LangChain would read each piece as JSON, which takes its square."""
    delta = (chunk["choices"][0]["delta"] if chunk.get("choices") else None) or {}
    delta.pop("role", None)  # it is the model's reply, whoever it says it is
    return [
        tool_call_chunk(
            name=call["function"].get("name"),
            args=call["function"].get("arguments"),
            id=call.get("id"),
            index=place if call.get("index") is None else call["index"],
        )
        for place, call in enumerate(delta.pop("tool_calls", None) or ())
    ]


def _thought(chunk: dict[str, Any]) -> str | None:
    """What compatible servers send beside the content, and langchain-openai drops."""
    delta = chunk["choices"][0]["delta"] if chunk.get("choices") else {}
    thought = delta.get("reasoning_content") or delta.get("reasoning")
    return thought if isinstance(thought, str) else None


def chat_model(
    name: str,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    fast_stream: bool = True,
    **settings: Any,
) -> BaseChatModel:
    """The model of that name: `offline`, `openai:<name>`, or what `init_chat_model` knows."""
    if name == OFFLINE:
        return OfflineChatModel(**settings)
    provider, _, model = name.partition(":")
    if not model:
        raise _not_a_name(name)
    if provider == "openai":
        return openai_compatible(
            model, api_key=api_key, base_url=base_url, fast_stream=fast_stream, **settings
        )
    try:
        model_of_provider: BaseChatModel = init_chat_model(name, **settings)
    except ImportError as error:
        raise UnknownModel(f"{name!r} needs a package that is not installed: {error}") from error
    except ValueError as error:
        raise _not_a_name(name) from error
    except Exception as error:
        # Mostly a missing key, for which every SDK has an exception of its own.
        raise UnknownModel(
            f"{name!r} cannot be used as it is ({type(error).__name__}): it may need an API key."
        ) from error
    return model_of_provider


def _not_a_name(name: str) -> UnknownModel:
    return UnknownModel(
        f"{name!r} is not a model's name: use `offline` or `provider:name`, "
        "for example `openai:gpt-4.1-mini`."
    )


def openai_compatible(
    model: str,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    fast_stream: bool = True,
    **settings: Any,
) -> ChatOpenAI:
    """A model on an OpenAI-compatible server, with timeouts that fit a stream.

    Without `fast_stream` the SDK's own stream is used, as langchain-openai does.
    """
    read = max(FIRST_TOKEN_TIMEOUT, BETWEEN_TOKENS_TIMEOUT)
    timeout = httpx2.Timeout(read, connect=CONNECT_TIMEOUT)
    kind = OpenAICompatible if fast_stream else ChatOpenAI
    return kind(
        model=model,
        api_key=_key(api_key),
        base_url=base_url,
        streaming=True,
        stream_usage=True,
        use_responses_api=False,
        max_retries=RETRIES,
        timeout=timeout,
        # A task per chunk: fast_stream has timeouts of its own.
        stream_chunk_timeout=None if fast_stream else BETWEEN_TOKENS_TIMEOUT,
        http_async_client=DefaultAioHttpClient(
            timeout=timeout, event_hooks={"response": [_do_not_wait_for_long]}
        ),
        **settings,
    )


def _key(api_key: str | None) -> SecretStr:
    key = SecretStr(api_key) if api_key else secret_from_env("OPENAI_API_KEY", default=NO_KEY)()
    value = key.get_secret_value()
    if not (value.isascii() and value.isprintable()):
        raise UnknownModel(
            "OPENAI_API_KEY cannot be sent: it holds a character that is not plain ASCII, "
            "or a line end. Was it copied whole, and nothing else?"
        )
    return key


async def _do_not_wait_for_long(response: httpx2.Response) -> None:
    """The SDK would wait up to two minutes; this header of its own tells it not to try again."""
    if _wait_asked_for(response.headers) > MAX_RETRY_AFTER:
        response.headers["x-should-retry"] = "false"


def _wait_asked_for(headers: httpx2.Headers) -> float:
    """In seconds, as the SDK reads it."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            return float(headers[name]) * unit
    return math.inf if "retry-after" in headers else 0.0  # a date: too rare to be read


async def close(model: BaseChatModel) -> None:
    """Close the model's connections, if it has any of ours."""
    if isinstance(model, ChatOpenAI):
        await model.root_async_client.close()


def first_model(base_url: str, api_key: str | None = None) -> str:
    """The first model that a compatible server offers, as `openai:<name>`."""
    key = _key(api_key).get_secret_value()
    try:
        answer = httpx2.get(
            f"{base_url.rstrip('/')}/models",
            headers={"Authorization": f"Bearer {key}"},
            timeout=CONNECT_TIMEOUT,
        )
        answer.raise_for_status()
        return f"openai:{answer.json()['data'][0]['id']}"
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, LookupError, TypeError) as error:
        raise UnknownModel(
            "The server at OPENAI_BASE_URL did not list its models: is it up? "
            "LASTWORD_MODEL=openai:<name> starts without asking it."
        ) from error
