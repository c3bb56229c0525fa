"""Finding by meaning: a vector for each passage, and one for a question."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TypeAlias

from agent.documents import embeddings, vectors
from agent.documents.alone import alone
from agent.documents.embeddings import Embedder
from agent.documents.index import Index
from agent.documents.passage import Passage
from agent.documents.updating import Progress, quietly
from agent.documents.vectors import Batch, Vector
from stream.errors import UpstreamMalformed

PAUSE = 60.0
"""Seconds without a call after one failed."""
Embedded: TypeAlias = list[tuple[bytes, Vector]]

logger = logging.getLogger("lastword")


class Meaning:
    """An index's vectors, and the model that they are of."""

    def __init__(self, index: Index, embedder: Embedder) -> None:
        self._index = index
        self._embedder = embedder
        self._lock = index.path.with_suffix(".embedding")
        self._embed_from = self._ask_from = 0.0
        self._size = 0
        self._sizes = set[int]()
        self.is_embedded = False
        self.is_passing = False
        """Whether what embedding failed with may be gone soon."""

    async def embed(self, progress: Progress = quietly) -> bool:
        """Passages that have no vector yet. Returns whether this process did it."""
        async with alone(self._lock) as mine:
            if mine and time.monotonic() >= self._embed_from:
                await self._embed(progress)
            return mine

    async def question(self, text: str) -> Vector | None:
        """None where its words have to do: a model that fails is left alone for a while."""
        if time.monotonic() < self._ask_from:
            return None
        try:
            return await self._embedder.question(text)
        except Exception as error:  # noqa: BLE001  each SDK has errors of its own; search by words still works
            if not _is_refusal(error):
                self._ask_from = time.monotonic() + PAUSE
            logger.warning("A question cannot be embedded (%s).", type(error).__qualname__)
            return None

    def expect(self, vector: Vector) -> None:
        """The model has answered a question with this, and passages with other sizes."""
        if len(vector) not in self._sizes:  # once: it may do so for ever
            self._size = len(vector)
            self._sizes.add(self._size)
            logger.warning("The embedding model has changed: all is embedded anew.")

    async def _embed(self, progress: Progress) -> None:
        if not await asyncio.to_thread(self._index.is_complete):
            return
        self.is_passing = False
        total = await asyncio.to_thread(self._begin)
        done, sizes = 0, set[int]()
        while batch := await asyncio.to_thread(self._missing):
            progress("Embedding", done, total)
            try:
                found = await self._embedded(batch)
                _require_one_size(found, sizes)
            except Exception as error:  # noqa: BLE001  each SDK has errors of its own; search by words still works
                self._embed_from = time.monotonic() + PAUSE
                self.is_passing = _is_passing(error)
                logger.warning("The documents cannot be embedded (%s).", type(error).__qualname__)
                return
            await asyncio.to_thread(self._put, found)
            done += len(batch)
        self.is_embedded = True
        progress("Embedding", total, total)

    async def _embedded(self, batch: Batch) -> Embedded:
        """A vector for each passage, an empty one for what the model refuses."""
        texts = [_told(passage) for passage in batch.values()]
        found: Sequence[Vector]
        try:
            found = await self._embedder.documents(texts)
        except Exception as error:
            if not _is_refusal(error):
                raise
            found = [await self._one(text) for text in texts]
            if not (any(found) or await asyncio.to_thread(self._has_vectors)):
                raise  # it refuses everything: that is no fault of a passage
        return list(zip(batch, found, strict=True))

    async def _one(self, text: str) -> Vector:
        try:
            (vector,) = await self._embedder.documents([text])
        except Exception as error:
            if _is_refusal(error):
                return []
            raise
        return vector

    def _has_vectors(self) -> bool:
        """Whether the model has ever answered."""
        with self._index.open() as connection:
            return vectors.are_there(connection)

    def _begin(self) -> int:
        size, self._size = self._size, 0
        with self._index.open() as connection:
            return vectors.begin(connection, self._embedder.about, size)

    def _missing(self) -> Batch:
        with self._index.open() as connection:
            return vectors.missing(connection, embeddings.AT_ONCE)

    def _put(self, found: Embedded) -> None:
        with self._index.open() as connection:
            vectors.put(connection, found)


def _require_one_size(found: Embedded, sizes: set[int]) -> None:
    """Else all would be embedded anew for ever. Raises `UpstreamMalformed`."""
    sizes |= {len(vector) for _, vector in found if vector}
    if len(sizes) > 1:
        raise UpstreamMalformed


def _is_refusal(error: Exception) -> bool:
    """As SDKs tell it: for its length, a text is refused again and again."""
    return getattr(error, "status_code", None) in {400, 413, 422}


def _is_passing(error: Exception) -> bool:
    """Too many calls, a server that is down or slow; and not a wrong key."""
    status = getattr(error, "status_code", 500)
    return status in {408, 429} or (status >= 500 and not isinstance(error, UpstreamMalformed))


def _told(passage: Passage) -> str:
    """A passage as it is embedded: its headings say what it is about."""
    return f"{passage.title}\n{passage.text}"
