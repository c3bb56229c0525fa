"""A LangChain retriever of one's own, in the place of the embedded search."""

import asyncio
import math
from concurrent.futures import Future
from pathlib import PurePath
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from agent.documents.block import clean, in_one_line, title_of
from agent.documents.lanes import searching
from agent.documents.passage import Passage
from agent.load import UnknownAgent, named
from agent.threads import MOST

MAX_PASSAGES = 20
MAX_CHARACTERS = 4000
"""Of a passage: more is cut off."""
MAX_LOCATION = 2000
SECONDS = 30.0
"""For one search."""


class UnknownRetriever(ValueError):
    """The name is not a retriever that can be had here. The message says what to do."""


class RetrieverHangs(Exception):
    """So many calls of it never returned that there is no thread left to call it in."""


class OwnRetriever:
    """Finds what a LangChain retriever returns."""

    def __init__(self, name: str) -> None:
        """`name` is `module:attribute`. Raises `UnknownRetriever`."""
        try:
            self._retriever: BaseRetriever = named(name, BaseRetriever, "LangChain retriever")
        except UnknownAgent as error:
            raise UnknownRetriever(str(error)) from error
        self._left: list[Future[Any]] = []
        """Calls in threads that nobody waits for any more: they cannot be stopped."""

    async def find(self, question: str, callbacks: Callbacks = None) -> list[Passage]:
        self._left = [call for call in self._left if not call.done()]
        if len(self._left) >= MOST:
            raise RetrieverHangs
        calls: list[Future[Any]] = []
        try:
            with searching(calls):
                async with asyncio.timeout(SECONDS):
                    found = await self._retriever.ainvoke(question, {"callbacks": callbacks})
        finally:
            self._left += calls
        passages = [_passage(document) for document in found[:MAX_PASSAGES]]
        return [passage for passage in passages if passage.text]


def _passage(document: Document) -> Passage:
    about = document.metadata
    location = _first(about, "location", "source", "url", "file_path", "path") or document.id or ""
    title = _first(about, "title", "name", "file_name") or location or "Untitled"
    return Passage(
        title_of(title),
        in_one_line(location)[:MAX_LOCATION],
        clean(document.page_content)[:MAX_CHARACTERS].strip(),
        _score(about.get("score", about.get("relevance_score"))),
    )


def _score(given: Any) -> float:
    try:
        score = float(given)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return score if math.isfinite(score) else 0.0


def _first(about: dict[str, Any], *names: str) -> str:
    """Metadata may hold anything."""
    values = (about.get(name) for name in names)
    return next(
        (str(each) for each in values if isinstance(each, str | int | PurePath) and each), ""
    )
