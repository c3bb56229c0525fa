"""What tests ask a library, and how they wait for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from agent.documents.embeddings import embedder
from agent.documents.library import Library
from agent.documents.passage import NotNow
from tests.agent.documents.embedding_server import EmbeddingServer


@asynccontextmanager
async def embedded(library: Library, server: EmbeddingServer) -> AsyncIterator[Library]:
    """The same library with an embedding model."""
    model = embedder("openai:small", base_url=server.url)
    try:
        yield Library(library._updating._folder, library._index.path, model)
    finally:
        await model.aclose()


async def texts(library: Library, question: str) -> list[str]:
    """Of what is found. Nothing is, before all is read."""
    with suppress(NotNow):
        return [passage.text for passage in await library.find(question)]
    return []


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not (await found if asyncio.iscoroutine(found := condition()) else found):  # noqa: ASYNC110  nothing signals it
            await asyncio.sleep(0.005)
