"""What a server answers from: a folder of documents, or a retriever of one's own."""

import asyncio
import hashlib
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from langchain_core.tools import BaseTool

from agent.documents import meaning
from agent.documents.embeddings import Embedder, embedder
from agent.documents.index import Size
from agent.documents.lanes import Lanes
from agent.documents.library import Library
from agent.documents.own import OwnRetriever
from agent.documents.report import progress_bar, unreadable
from agent.documents.updating import Progress
from agent.tools.search import search_tool

TRIES = 5
"""To embed, where a server of embeddings is too busy or down."""

logger = logging.getLogger("lastword")


class UnknownDocuments(ValueError):
    """There are no documents to be had as this is set. The message says what to do."""


def index_of(folder: Path, embeddings: str | None = None) -> str:
    """The name of its index: servers on other folders may keep theirs in the same place."""
    names = f"{embeddings or ''}\0".encode() + os.fsencode(folder.absolute())
    known_as = hashlib.sha256(names).hexdigest()[:12]
    return f"documents-{known_as}.sqlite"


class Knowledge:
    """Made of what the settings name; nothing of it is opened before `open`."""

    def __init__(
        self,
        data: Path,
        documents: Path | None = None,
        embeddings: str | None = None,
        retriever: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> None:
        """Raises `UnknownDocuments`, `UnknownEmbeddings`, `UnknownRetriever`."""
        if documents and retriever:
            raise UnknownDocuments("Use a folder of documents or a retriever, not both.")
        if documents and not documents.is_dir():
            raise UnknownDocuments(f"There is no folder {str(documents)!r} with documents.")
        self.embedder: Embedder | None = None
        if embeddings:
            self.embedder = embedder(embeddings, api_key=api_key, base_url=base_url)
        self.library: Library | None = None
        if documents:
            path = data / index_of(documents, embeddings)
            self.library = Library(documents, path, self.embedder)
        self._finder = OwnRetriever(retriever) if retriever else self.library

    @property
    def tools(self) -> list[BaseTool]:
        """For the agent."""
        return [search_tool(self._finder)] if self._finder else []

    async def index(self, library: Library) -> Size:
        """Read and embed what has changed, shown by a progress bar."""
        try:
            with progress_bar() as progress:
                await _updated(library, progress)
                tries = TRIES
                while library.may_be_embedded_soon and (tries := tries - 1):
                    logger.warning("It is tried again in %.0f seconds.", meaning.PAUSE)
                    await asyncio.sleep(meaning.PAUSE)
                    await _updated(library, progress)
            return await library.size()
        except (OSError, sqlite3.Error) as error:
            raise UnknownDocuments(f"They cannot be indexed: {error}.") from error
        finally:
            await self._close()

    @asynccontextmanager
    async def open(self, *, searched: bool = True) -> AsyncIterator[None]:
        """The index is up to date, but for vectors, and kept so; if it is `searched` here."""
        try:
            if isinstance(self._finder, OwnRetriever):
                asyncio.get_running_loop().set_default_executor(Lanes())
            if self.library is None or not searched:
                yield
            else:
                async with self.library.kept() as size:
                    for line in unreadable(size):
                        logger.warning("Not among the documents: %s", line)
                    yield
        finally:
            await self._close()

    def hurry(self) -> None:
        """Whoever opens it waits no longer for all to be read: the server is told to stop."""
        if self.library:
            self.library.hurry()

    async def _close(self) -> None:
        if self.embedder:
            await self.embedder.aclose()


async def _updated(library: Library, progress: Progress) -> None:
    if not await library.update(progress):
        raise UnknownDocuments("Another process is reading them just now.")
