"""Brings an index up to date with its folder: only what has changed is read again."""

import asyncio
import logging
import math
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from agent.documents import vectors
from agent.documents.apart import Apart
from agent.documents.block import Passing, Unreadable
from agent.documents.embeddings import Embedder
from agent.documents.files import Stamp, content, scan
from agent.documents.index import Index
from agent.documents.passage import Passage
from agent.documents.vectors import Vector
from stream.errors import UpstreamMalformed

AT_ONCE = 64
"""Passages that are embedded in one call."""
PAUSE = 60.0
"""Seconds without embedding after it failed."""
Batch: TypeAlias = list[tuple[int, Passage]]
Embedded: TypeAlias = tuple[int, Vector]
Progress: TypeAlias = Callable[[str, int, int], None]
"""Told of what is being done, how much of it is done, and how much there is."""

logger = logging.getLogger("lastword")


def quietly(_what: str, _done: int, _total: int) -> None:
    """No progress to be shown."""


class Updating:
    """One folder's index, and what it takes to keep it."""

    def __init__(self, folder: Path, index: Index, embedder: Embedder | None) -> None:
        self._folder = folder.resolve()  # its index is named after it
        self._index = index
        self._embedder = embedder
        self._embed_from = 0.0
        self._tried_again = False
        self.is_behind = False
        """Whether there was more to embed than time."""
        self.is_embedded = embedder is None
        self._lock = index.path.with_suffix(".lock")

    async def read(self, progress: Progress = quietly, *, again: bool = False) -> bool:
        """Returns whether this process did it: where another one is at it, that is enough.

        `again`: what could not be read is tried once more, if this process has not done so.
        The reason may be gone without a change of the file: a package was missing, or time.
        """
        self.is_behind = False
        async with _alone(self._lock) as alone:
            if alone:
                await asyncio.to_thread(self._index.prepare, str(self._folder))
                await self._read_changed(progress, again=again and not self._tried_again)
                self._tried_again = self._tried_again or again
            return alone

    async def embed(self, progress: Progress = quietly, seconds: float = math.inf) -> bool:
        """The same for passages that have no vector yet, for about so long."""
        self.is_behind = False
        async with _alone(self._lock) as alone:
            if alone and self._embedder and time.monotonic() >= self._embed_from:
                await self._embed(self._embedder, progress, time.monotonic() + seconds)
            return alone

    async def _read_changed(self, progress: Progress, *, again: bool) -> None:
        found, skipped = await asyncio.to_thread(scan, self._folder)
        known = await asyncio.to_thread(self._index.stamps)
        refused = await asyncio.to_thread(self._index.refused)
        changed = [
            path
            for path, stamp in found.items()
            if known.get(path) != stamp or (again and path in refused)
        ]
        changed.sort(key=lambda path: found[path].size)  # what takes long keeps nobody waiting
        if gone := known.keys() - found.keys() - skipped.keys():
            await asyncio.to_thread(self._index.forget, gone)
        if new := dict(skipped.items() - refused.items()):
            await asyncio.to_thread(self._index.skip, new)
        apart = Apart()
        try:
            for done, path in enumerate(changed):
                progress("Reading", done, len(changed))
                await asyncio.to_thread(self._take, path, found[path], apart)
        finally:  # also when cancelled: a reading that is under way ends with its process
            apart.close()  # here and now: what is awaited may be cancelled, too
        progress("Reading", len(changed), len(changed))

    def _take(self, path: str, stamp: Stamp, apart: Apart) -> None:
        try:
            blocks = apart.read(path, content(self._folder, path))
        except Passing:
            pass  # the machine is short of something: what is known stays, until the next look
        except Unreadable as error:
            if not apart.closed:
                self._index.refuse(path, stamp, str(error))
        else:
            self._index.put(path, stamp, blocks)

    async def _embed(self, embedder: Embedder, progress: Progress, until: float) -> None:
        total = await asyncio.to_thread(self._begin, embedder.name)
        done, sizes = 0, set[int]()
        while batch := await asyncio.to_thread(self._missing):
            if done and time.monotonic() >= until:
                self.is_behind = True
                return
            progress("Embedding", done, total)
            try:
                pairs = await self._embedded(embedder, batch)
                _require_one_size(pairs, sizes)
            except Exception as error:  # noqa: BLE001  each SDK has errors of its own; search by words still works
                self._embed_from = time.monotonic() + PAUSE
                logger.warning("The documents cannot be embedded (%s).", type(error).__qualname__)
                return
            await asyncio.to_thread(self._put, pairs)
            done += len(batch)
        self.is_embedded = True
        progress("Embedding", total, total)

    async def _embedded(self, embedder: Embedder, batch: Batch) -> list[Embedded]:
        """A vector for each passage, an empty one for what the model refuses."""
        texts = [_told(passage) for _, passage in batch]
        found: Sequence[Vector]
        try:
            found = await embedder.documents(texts)
        except Exception as error:
            if not _is_refusal(error):
                raise
            found = [await _one(embedder, text) for text in texts]
            if not (any(found) or await asyncio.to_thread(self._has_vectors)):
                raise  # it refuses everything: that is no fault of a passage
        return list(zip((number for number, _ in batch), found, strict=True))

    def _has_vectors(self) -> bool:
        """Whether the model has ever answered."""
        with self._index.open() as connection:
            return vectors.are_there(connection)

    def _begin(self, model: str) -> int:
        with self._index.open() as connection:
            return vectors.begin(connection, model)

    def _missing(self) -> Batch:
        with self._index.open() as connection:
            return vectors.missing(connection, AT_ONCE)

    def _put(self, found: list[Embedded]) -> None:
        with self._index.open() as connection:
            vectors.put(connection, found)


def _require_one_size(found: list[Embedded], sizes: set[int]) -> None:
    """Else all would be embedded anew for ever. Raises `UpstreamMalformed`."""
    sizes |= {len(vector) for _, vector in found if vector}
    if len(sizes) > 1:
        raise UpstreamMalformed


async def _one(embedder: Embedder, text: str) -> Vector:
    try:
        (vector,) = await embedder.documents([text])
    except Exception as error:
        if _is_refusal(error):
            return []
        raise
    return vector


def _is_refusal(error: Exception) -> bool:
    """As SDKs tell it: for its length, a text is refused again and again."""
    return getattr(error, "status_code", None) in {400, 413, 422}


def _told(passage: Passage) -> str:
    """A passage as it is embedded: its headings say what it is about."""
    return f"{passage.title}\n{passage.text}"


@asynccontextmanager
async def _alone(path: Path) -> AsyncIterator[bool]:
    """Whether no other process is here. A lock of SQLite's goes with the process that has it."""
    lock = await asyncio.to_thread(_locked, path)
    try:
        yield lock is not None
    finally:
        if lock:
            await asyncio.to_thread(lock.close)


def _locked(path: Path) -> sqlite3.Connection | None:
    lock = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        lock.close()
        return None
    return lock
