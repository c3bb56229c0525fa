"""Brings an index up to date with its folder: only what has changed is read again."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from agent.documents import vectors
from agent.documents.apart import Apart
from agent.documents.block import Unreadable
from agent.documents.embeddings import Embedder
from agent.documents.files import Stamp, content, scan
from agent.documents.index import Index
from agent.documents.passage import Passage
from agent.documents.splitting import split

BATCH = 64
"""Passages that are embedded in one call."""
PAUSE = 60.0
"""Seconds without embedding after it failed."""
Progress: TypeAlias = Callable[[str, int, int], None]
"""Told of what is being done, how much of it is done, and how much there is."""

logger = logging.getLogger("lastword")


def quietly(_what: str, _done: int, _total: int) -> None:
    """No progress to be shown."""


class Updating:
    """One folder's index, and what it takes to keep it."""

    def __init__(self, folder: Path, index: Index, embedder: Embedder | None) -> None:
        self._folder = folder
        self._index = index
        self._embedder = embedder
        self._embed_from = 0.0
        self._lock = index.path.with_suffix(".lock")

    async def read(self, progress: Progress = quietly) -> bool:
        """Returns whether this process did it: where another one is at it, that is enough."""
        async with _alone(self._lock) as alone:
            if alone:
                await asyncio.to_thread(self._index.prepare, str(self._folder.resolve()))
                await self._read_changed(progress)
            return alone

    async def embed(self, progress: Progress = quietly) -> bool:
        """The same for passages that have no vector yet."""
        async with _alone(self._lock) as alone:
            if alone and self._embedder and time.monotonic() >= self._embed_from:
                await self._embed(self._embedder, progress)
            return alone

    async def _read_changed(self, progress: Progress) -> None:
        found = await asyncio.to_thread(scan, self._folder)
        known = await asyncio.to_thread(self._index.stamps)
        changed = [path for path, stamp in found.items() if known.get(path) != stamp]
        if gone := known.keys() - found.keys():
            await asyncio.to_thread(self._index.forget, gone)
        apart = Apart()
        try:
            for done, path in enumerate(changed):
                progress("Reading", done, len(changed))
                await asyncio.to_thread(self._take, path, found[path], apart)
        finally:  # also when cancelled: a reading that is under way ends with its process
            await asyncio.to_thread(apart.close)
        progress("Reading", len(changed), len(changed))

    def _take(self, path: str, stamp: Stamp, apart: Apart) -> None:
        try:
            blocks = apart.read(path, content(self._folder, path))
        except Unreadable as error:
            if not apart.closed:
                self._index.refuse(path, stamp, str(error))
        else:
            self._index.put(path, stamp, split(blocks))

    async def _embed(self, embedder: Embedder, progress: Progress) -> None:
        total = await asyncio.to_thread(self._begin, embedder.name)
        done = 0
        while batch := await asyncio.to_thread(self._missing):
            progress("Embedding", done, total)
            texts = [_told(passage) for _, passage in batch]
            try:
                found = await embedder.documents(texts)
                pairs = list(zip((number for number, _ in batch), found, strict=True))
            except Exception as error:  # noqa: BLE001  any provider; search by words still works
                self._embed_from = time.monotonic() + PAUSE
                logger.warning("The documents cannot be embedded (%s).", type(error).__qualname__)
                return
            await asyncio.to_thread(self._put, pairs)
            done += len(batch)
        progress("Embedding", total, total)

    def _begin(self, model: str) -> int:
        with self._index.open() as connection:
            return vectors.begin(connection, model)

    def _missing(self) -> list[tuple[int, Passage]]:
        with self._index.open() as connection:
            return vectors.missing(connection, BATCH)

    def _put(self, found: list[tuple[int, list[float]]]) -> None:
        with self._index.open() as connection:
            vectors.put(connection, found)


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
