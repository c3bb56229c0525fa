"""Real models on the stand-in, as the server makes them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from agent.models import OpenAICompatible, close, openai_compatible
from tests.upstream import Upstream


@asynccontextmanager
async def model_on(upstream: Upstream, **settings: Any) -> AsyncIterator[OpenAICompatible]:
    """A model whose connections are closed again."""
    async with closing_model(openai_compatible("test", base_url=upstream.url, **settings)) as model:
        yield model


@asynccontextmanager
async def bare_model_on(upstream: Upstream, **settings: Any) -> AsyncIterator[OpenAICompatible]:
    """A model with nothing set but where it is."""
    bare = OpenAICompatible(model="test", base_url=upstream.url, api_key="none", **settings)
    async with closing_model(bare) as model:
        yield model


@asynccontextmanager
async def closing_model(model: OpenAICompatible) -> AsyncIterator[OpenAICompatible]:
    try:
        yield model
    finally:
        await close(model)
        model.root_client.close()


@contextmanager
def sync_model_on(upstream: Upstream, **settings: Any) -> Iterator[OpenAICompatible]:
    """The same where no event loop runs."""
    model = openai_compatible("test", base_url=upstream.url, **settings)
    try:
        yield model
    finally:
        model.root_client.close()
