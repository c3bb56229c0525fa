"""Embedding models by name, and what cannot be had."""

import asyncio

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from agent.documents.embeddings import UnknownEmbeddings, embedder

FAKE = DeterministicFakeEmbedding(size=4)


def make() -> DeterministicFakeEmbedding:
    return FAKE


def broken() -> None:
    raise RuntimeError("Oh no.")


def test_ones_own() -> None:
    async def scenario() -> None:
        for name in ("FAKE", "make"):
            model = embedder(f"{__name__}:{name}")
            assert model.name == f"{__name__}:{name}"
            assert await model.documents(["a"]) == [await model.question("a")]
            await model.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("small", "use `provider:name`"),
        ("openai:", "use `provider:name`"),
        ("cohere:x", "needs a package that is not installed"),
        ("nobody:x", "There is no module 'nobody'"),
        (f"{__name__}:nothing", "there is no 'nothing'"),
        (f"{__name__}:asyncio", "gives a module: use a LangChain embeddings model"),
        (f"{__name__}:broken", "failed: RuntimeError: Oh no"),
        ("azure_openai:x", "may need an API key"),
    ],
)
def test_what_cannot_be_had(name: str, words: str) -> None:
    with pytest.raises(UnknownEmbeddings, match=words):
        embedder(name)
