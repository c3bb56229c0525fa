"""OpenAI's clients, as people make them."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import requests
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk

from tests.node import Node, running
from tests.serving import Lastword
from tests.wire.helpers import TIMEOUT

MODEL = "openai:test"
HI = [{"role": "user", "content": "hi"}]
PATH = "/v1/chat/completions"


@contextmanager
def python(lastword: Lastword, key: str = "none", **options: Any) -> Iterator[OpenAI]:
    options = {"max_retries": 0, "timeout": TIMEOUT} | options
    with OpenAI(base_url=f"{lastword.url}/v1", api_key=key, **options) as client:
        yield client


@asynccontextmanager
async def async_python(lastword: Lastword, key: str = "none") -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{lastword.url}/v1", api_key=key, max_retries=0, timeout=TIMEOUT
    ) as client:
        yield client


@contextmanager
def javascript(lastword: Lastword, key: str = "none", retries: int = 0) -> Iterator[Node]:
    options = {"baseURL": f"{lastword.url}/v1", "apiKey": key, "maxRetries": retries}
    with running("openai.mjs") as client:
        client.call("connect", options=options)
        yield client


def langchain(lastword: Lastword, **options: Any) -> ChatOpenAI:
    given: dict[str, Any] = {"model": MODEL, "api_key": "none", "max_retries": 0, **options}
    return ChatOpenAI(base_url=f"{lastword.url}/v1", **given)


def post(lastword: Lastword, messages: Any = HI, key: str = "", **body: Any) -> requests.Response:
    """Without any client's help."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    document = {"model": MODEL, "messages": messages, **body}
    return requests.post(lastword.url + PATH, json=document, headers=headers, timeout=TIMEOUT)


def said(chunks: Iterable[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def reasons(chunks: Iterable[ChatCompletionChunk]) -> list[str]:
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return [choice.finish_reason for choice in choices if choice.finish_reason]
