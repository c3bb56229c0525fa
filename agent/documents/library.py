"""A folder of documents that can be asked: by words, and by meaning where there is a model."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from langchain_core.callbacks import Callbacks

from agent.documents import vectors
from agent.documents.embeddings import Embedder
from agent.documents.fusion import fused
from agent.documents.index import (
    Index,
    Size,
    connect,
    is_broken,
    is_held,
    is_read,
    is_there,
    passages,
    ranked,
)
from agent.documents.meaning import Meaning
from agent.documents.passage import NotNow, Passage
from agent.documents.report import progress_bar
from agent.documents.updating import Emptied, Progress, Updating, quietly
from agent.documents.vectors import Vector

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

HELD = "Another process holds the documents' index: what is known stays."
EMPTIED = (
    "The folder of documents is empty, and another one than before: what is known stays. "
    "If that is no mistake, `python main.py index` forgets it."
)
UNREADABLE = "The documents cannot be read (%s): what is known stays."

logger = logging.getLogger("lastword")
T = TypeVar("T")


class Library:
    """Made without touching anything; the index is made by `update`, or while it is `kept`."""

    def __init__(self, folder: Path, path: Path, embedder: Embedder | None = None) -> None:
        """`path` is where the index is."""
        self._index = Index(path)
        self._updating = Updating(folder, self._index)
        self._meaning = Meaning(self._index, embedder) if embedder else None
        self._problem = ""
        self._ready = asyncio.Event()

    async def update(self, progress: Progress = quietly) -> bool:
        """Read what has changed, and embed it. False where another process does it."""
        read = await self._updating.read(progress, again=True, sure=True)
        return read and (self._meaning is None or await self._meaning.embed(progress))

    @property
    def is_embedded(self) -> bool:
        """Whether passages are found by meaning, too, as far as that is wanted."""
        return self._meaning is None or self._meaning.is_embedded

    @property
    def may_be_embedded_soon(self) -> bool:
        """Whether to try it again: its model's server was too busy, or down."""
        return self._meaning is not None and self._meaning.is_passing

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
            yield await self._known()
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _known(self) -> Size:
        if not self._problem:
            with suppress(sqlite3.Error):  # it is being made anew
                return await self.size()
        return Size(0, 0, {})

    def hurry(self) -> None:
        """Nobody shall wait for the first reading any longer."""
        self._ready.set()

    async def _watch(self, interval: float) -> None:
        with progress_bar() as progress:
            self._problem = await self._trying(self._updating.read(progress), "")
        self._ready.set()
        read = partial(self._updating.read, again=True)
        async with asyncio.TaskGroup() as tasks:  # a model that hangs keeps nothing from being read
            tasks.create_task(self._repeating(read, interval))
            if self._meaning:
                tasks.create_task(self._repeating(self._meaning.embed, interval))

    async def _repeating(self, update: Callable[[], Awaitable[bool]], interval: float) -> None:
        problem = self._problem
        while True:
            begin = time.monotonic()
            problem = await self._trying(update(), problem)
            took = time.monotonic() - begin
            await asyncio.sleep(max(interval, min(CALM * took, LONGEST_INTERVAL)))

    async def _trying(self, update: Awaitable[bool], before: str) -> str:
        """What goes wrong, and is said once: the folder may be back the next time."""
        problem = ""
        try:
            await update
        except Exception as error:  # noqa: BLE001  the only task that follows the folder: it must outlive any fault
            problem = _problem(error)
            if is_broken(error):
                await asyncio.to_thread(self._index.discard)
        if problem and problem != before:
            logger.warning("%s", problem)
        return problem

    async def find(self, question: str, callbacks: Callbacks = None) -> list[Passage]:
        vector = await self._meaning.question(question) if self._meaning else None

        def search(connection: sqlite3.Connection) -> list[Passage]:
            connection.execute("BEGIN")  # one state of the index, whoever writes it meanwhile
            found = self._found(connection, question, vector) if is_there(connection) else []
            if not (found or is_read(connection)):
                raise NotNow
            return found

        try:
            return await self._interruptible(search)
        except sqlite3.OperationalError as error:
            if is_held(error):
                raise NotNow from error
            raise

    def _found(
        self, connection: sqlite3.Connection, question: str, vector: Vector | None
    ) -> list[Passage]:
        if self._meaning is None or vector is None:
            return passages(connection, ranked(connection, question, FOUND))
        if not vectors.are_like(connection, vector):
            self._meaning.expect(vector)
        by_words = ranked(connection, question, CANDIDATES)
        by_meaning = vectors.nearest(connection, vector, CANDIDATES)
        unknown = vectors.without(connection, by_words, vector)
        return passages(connection, fused(by_words, by_meaning, unknown, limit=FOUND))

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


def _problem(error: Exception) -> str:
    if isinstance(error, Emptied):
        return EMPTIED
    return HELD if is_held(error) else UNREADABLE % type(error).__qualname__
