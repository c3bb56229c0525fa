"""`provider:name` -> a model that turns texts into vectors."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx2
import numpy as np
from langchain.embeddings import init_embeddings
from langchain_core.embeddings import Embeddings
from langchain_openai import OpenAIEmbeddings
from openai import DefaultAioHttpClient
from pydantic import SecretStr

from agent.load import UnknownAgent, named
from stream.errors import UpstreamMalformed

AT_ONCE = 64
"""Texts in one call."""
SECONDS = 60.0
"""For one call."""
QUESTION_SECONDS = 10.0
"""For a question, which is searched by its words otherwise."""
CONNECT_TIMEOUT = 5.0
NO_KEY = "none"
HIGHEST = 1e18
"""Of a vector's numbers; the square of a higher one is more than a small float holds."""


class UnknownEmbeddings(ValueError):
    """The name is not an embedding model that can be had here. The message says what to do."""


class Embedder:
    """An embedding model by its name, with a limit to how long it may take."""

    def __init__(
        self,
        name: str,
        model: Embeddings,
        client: httpx2.AsyncClient | None = None,
        address: str | None = None,
    ) -> None:
        """`client` is what `aclose` closes."""
        self.name = name
        self.about = f"{name} {_known_as(address)}" if address else name
        """What its vectors are of: behind one name there may be another model elsewhere."""
        self._model = model
        self._client = client

    async def documents(self, texts: Sequence[str]) -> list[list[float]]:
        parts = [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)]
        return [vector for part in parts for vector in await self._part(part)]

    async def _part(self, texts: Sequence[str]) -> list[list[float]]:
        async with asyncio.timeout(SECONDS):
            with _understood():
                return _checked(await self._model.aembed_documents(list(texts)), len(texts))

    async def question(self, text: str) -> list[float]:
        async with asyncio.timeout(QUESTION_SECONDS):
            with _understood():
                return _checked([await self._model.aembed_query(text)], 1)[0]

    async def aclose(self) -> None:
        if self._client:
            await self._client.aclose()


def _known_as(address: str) -> str:
    """There may be a password in it."""
    return hashlib.sha256(address.encode()).hexdigest()[:12]


@contextmanager
def _understood() -> Iterator[None]:
    """SDKs stumble over what they do not expect. Raises `UpstreamMalformed`."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise UpstreamMalformed from error


def _checked(vectors: object, number: int) -> list[list[float]]:
    """What a model's server says may be anything. Raises `UpstreamMalformed`."""
    matrix = np.asarray(vectors, np.float64)
    if matrix.ndim != 2 or len(matrix) != number or not matrix.size:
        raise UpstreamMalformed
    if not (np.isfinite(matrix).all() and np.abs(matrix).max() < HIGHEST):
        raise UpstreamMalformed
    found: list[list[float]] = matrix.tolist()
    return found


def embedder(name: str, *, api_key: str | None = None, base_url: str | None = None) -> Embedder:
    """`openai:<name>`, what `init_embeddings` knows, or one's own as `module:attribute`."""
    provider, _, model = name.partition(":")
    if not (provider and model):
        raise UnknownEmbeddings(
            f"{name!r} is not an embedding model's name: use `provider:name`, "
            "for example `openai:text-embedding-3-small`."
        )
    if provider == "openai":
        return _openai_compatible(name, model, api_key, base_url)
    try:
        return Embedder(name, init_embeddings(name))
    except ImportError as error:
        raise UnknownEmbeddings(
            f"{name!r} needs a package that is not installed: {error}"
        ) from error
    except ValueError:
        return Embedder(name, _own(name))  # no provider of that name
    except Exception as error:
        # Mostly a missing key, for which every SDK has an exception of its own.
        raise UnknownEmbeddings(
            f"{name!r} cannot be used as it is ({type(error).__name__}): it may need an API key."
        ) from error


def _own(name: str) -> Embeddings:
    try:
        own: Embeddings = named(name, Embeddings, "LangChain embeddings model")
    except UnknownAgent as error:
        raise UnknownEmbeddings(str(error)) from error
    return own


def _openai_compatible(
    name: str, model: str, api_key: str | None, base_url: str | None
) -> Embedder:
    client = DefaultAioHttpClient(timeout=httpx2.Timeout(SECONDS, connect=CONNECT_TIMEOUT))
    embeddings = OpenAIEmbeddings(
        model=model,
        openai_api_key=SecretStr(api_key or NO_KEY),
        openai_api_base=base_url,
        check_embedding_ctx_length=False,  # passages are short, and it would fetch a vocabulary
        http_async_client=client,
    )
    return Embedder(name, embeddings, client, embeddings.openai_api_base)
