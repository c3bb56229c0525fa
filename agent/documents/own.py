"""A LangChain retriever of one's own, in the place of the embedded search."""

import math
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from agent.documents.block import clean, in_one_line, title_of
from agent.documents.passage import Passage
from agent.load import UnknownAgent, named

MAX_PASSAGES = 20
MAX_CHARACTERS = 4000
"""Of a passage: more is cut off."""


class UnknownRetriever(ValueError):
    """The name is not a retriever that can be had here. The message says what to do."""


class OwnRetriever:
    """Finds what a LangChain retriever returns."""

    def __init__(self, name: str) -> None:
        """`name` is `module:attribute`. Raises `UnknownRetriever`."""
        try:
            self._retriever: BaseRetriever = named(name, BaseRetriever, "LangChain retriever")
        except UnknownAgent as error:
            raise UnknownRetriever(str(error)) from error

    async def find(self, question: str, callbacks: Callbacks = None) -> list[Passage]:
        found = await self._retriever.ainvoke(question, {"callbacks": callbacks})
        return [_passage(document) for document in found[:MAX_PASSAGES]]


def _passage(document: Document) -> Passage:
    about = document.metadata
    location = _first(about, "location", "source", "url", "file_path", "path") or document.id or ""
    title = _first(about, "title", "name", "file_name") or location or "Untitled"
    score = next((about[name] for name in ("score", "relevance_score") if name in about), 0.0)
    return Passage(
        title_of(title),
        in_one_line(location),
        clean(document.page_content)[:MAX_CHARACTERS].strip(),
        float(score) if isinstance(score, int | float) and math.isfinite(score) else 0.0,
    )


def _first(about: dict[str, Any], *names: str) -> str:
    return next((str(about[name]) for name in names if about.get(name)), "")
