"""Embedding models by name, and what cannot be had."""

import asyncio
import math
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from agent.documents.embeddings import Embedder, UnknownEmbeddings, embedder
from stream.errors import UpstreamMalformed

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


class Odd(DeterministicFakeEmbedding):
    """Says what it was told to."""

    said: Any

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.said


@pytest.mark.parametrize(
    "said",
    [
        [],
        [[]],
        [[1.0], [2.0]],
        [1.0],
        [[math.nan]],
        [[1e30]],
        [[None]],
        [["x"]],
        [[[1.0]]],
        None,
        [{}],
    ],
    ids=str,
)
def test_what_is_no_vector_is_the_models_fault(said: Any) -> None:
    model = Embedder("odd", Odd(size=1, said=said))
    with pytest.raises(UpstreamMalformed):
        asyncio.run(model.documents(["a"]))


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
