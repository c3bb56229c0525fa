"""A folder of documents that can be asked: by words, and by meaning where there is a model."""

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TypeVar

from langchain_core.callbacks import Callbacks

from agent.documents import vectors
from agent.documents.embeddings import Embedder
from agent.documents.fusion import fused
from agent.documents.index import Index, Size, connect, is_broken, is_there, passages, ranked
from agent.documents.passage import Passage
from agent.documents.report import progress_bar
from agent.documents.updating import Progress, Updating, quietly

FOUND = 5
"""Passages for one question."""
CANDIDATES = 30
"""Of each ranking, before they become one."""
STEPS = 10_000
"""Of SQLite's machine, between two looks whether anybody still waits: less than a millisecond."""
INTERVAL = 2.0
"""Seconds between two looks at the folder."""
PATIENCE = 60.0
"""Seconds that a server waits for the first reading before it starts without the rest."""
CALM, LONGEST_INTERVAL = 10, 10.0
"""A large folder is looked at less often: one part in so many of the time, down to a limit."""

logger = logging.getLogger("lastword")
T = TypeVar("T")


class Library:
    """Made without touching anything; the index is made by `update`, or while it is `kept`."""

    def __init__(self, folder: Path, path: Path, embedder: Embedder | None = None) -> None:
        """`path` is where the index is."""
        self.embedder = embedder
        self._index = Index(path)
        self._updating = Updating(folder, self._index, embedder)
        self._problem = ""
        self._ready = asyncio.Event()

    async def update(self, progress: Progress = quietly, seconds: float = math.inf) -> bool:
        """Read what has changed, and embed it, for so long. False where another process does it."""
        read = await self._updating.read(progress, again=True)
        return read and await self._updating.embed(progress, seconds)

    @property
    def is_embedded(self) -> bool:
        """Whether passages are found by meaning, too, as far as that is wanted."""
        return self._updating.is_embedded

    async def size(self) -> Size:
        return await asyncio.to_thread(self._index.size)

    @asynccontextmanager
    async def kept(self, interval: float = INTERVAL) -> AsyncIterator[Size]:
        """What has changed is read now, and again whenever something changes.

        Embedding takes longer: until it is done, passages are found by their words.
        """
        watching = asyncio.create_task(self._watch(interval))
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), PATIENCE)
            try:
                size = await self.size()
            except sqlite3.Error:  # it is being made anew, or has been told already
                size = Size(0, 0, {})
            yield size
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    def hurry(self) -> None:
        """Nobody shall wait for the first reading any longer."""
        self._ready.set()

    async def _watch(self, interval: float) -> None:
        with progress_bar() as progress:
            await self._trying(self._updating.read(progress))
        self._ready.set()
        while True:
            begin = time.monotonic()
            await self._trying(self.update(seconds=interval))
            if self._updating.is_behind:
                continue  # in the meantime the folder may have changed
            took = time.monotonic() - begin
            await asyncio.sleep(max(interval, min(CALM * took, LONGEST_INTERVAL)))

    async def _trying(self, update: Awaitable[bool]) -> None:
        """What goes wrong is said once: the folder may be back the next time."""
        problem = ""
        try:
            await update
        except Exception as error:  # noqa: BLE001  the only task that follows the folder: it must outlive any fault
            problem = type(error).__qualname__
            if is_broken(error):
                await asyncio.to_thread(self._index.discard)
        if problem and problem != self._problem:
            logger.warning("The documents cannot be read (%s): what is known stays.", problem)
        self._problem = problem

    async def find(self, question: str, callbacks: Callbacks = None) -> list[Passage]:
        vector = await self._embedded(question)

        def search(connection: sqlite3.Connection) -> list[Passage]:
            connection.execute("BEGIN")  # one state of the index, whoever writes it meanwhile
            if not is_there(connection):
                return []
            if vector is None:
                return passages(connection, ranked(connection, question, FOUND))
            by_words = ranked(connection, question, CANDIDATES)
            by_meaning = vectors.nearest(connection, vector, CANDIDATES)
            return passages(connection, fused(by_words, by_meaning, limit=FOUND))

        return await self._interruptible(search)

    async def _embedded(self, question: str) -> list[float] | None:
        if self.embedder is None:
            return None
        try:
            return await self.embedder.question(question)
        except Exception as error:  # noqa: BLE001  each SDK has errors of its own; search by words still works
            logger.warning("A question cannot be embedded (%s).", type(error).__qualname__)
            return None

    async def _interruptible(self, search: Callable[[sqlite3.Connection], T]) -> T:
        """Search in a thread. It stops when nobody waits for it any more."""
        stopped = threading.Event()

        def run() -> T:
            with closing(connect(self._index.path)) as connection:
                connection.set_progress_handler(stopped.is_set, STEPS)
                return search(connection)

        try:
            return await asyncio.to_thread(run)
        except asyncio.CancelledError:
            stopped.set()
            raise
