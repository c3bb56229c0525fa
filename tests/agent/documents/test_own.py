"""A retriever of one's own: any of LangChain's."""

import asyncio

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from agent.documents import own
from agent.documents.own import (
    MAX_CHARACTERS,
    MAX_LOCATION,
    MAX_PASSAGES,
    OwnRetriever,
    UnknownRetriever,
)
from agent.documents.passage import Passage


class Shelf(BaseRetriever):
    documents: list[Document]

    def _get_relevant_documents(self, query, *, run_manager):
        return self.documents


def shelf(*documents: Document) -> OwnRetriever:
    global SHELF
    SHELF = Shelf(documents=list(documents))
    return OwnRetriever(f"{__name__}:SHELF")


SHELF: Shelf | None = None


@pytest.mark.parametrize(
    ("document", "passage"),
    [
        (
            Document(" W. ", metadata={"title": "A\nT", "source": "https://a", "score": 0.5}),
            Passage("A T", "https://a", "W.", 0.5),
        ),
        (
            Document("W.", metadata={"source": "a.md", "relevance_score": float("nan")}),
            Passage("a.md", "a.md", "W.", 0.0),
        ),
        (Document("W.", id="7", metadata={"score": "x"}), Passage("7", "7", "W.", 0.0)),
        (Document("W."), Passage("Untitled", "", "W.", 0.0)),
        (
            Document("W.", metadata={"source": "x" * 9999, "score": 10**400, "title": [1]}),
            Passage("x" * 120, "x" * MAX_LOCATION, "W.", 0.0),
        ),
    ],
)
def test_a_document_is_a_passage(document: Document, passage: Passage) -> None:
    assert asyncio.run(shelf(document).find("?")) == [passage]


def test_what_says_nothing_is_no_passage() -> None:
    assert asyncio.run(shelf(Document(" \n")).find("?")) == []


def test_it_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "SECONDS", 0.0)
    with pytest.raises(TimeoutError):
        asyncio.run(shelf(Document("W.")).find("?"))


def test_not_too_much() -> None:
    found = asyncio.run(shelf(*[Document("x" * 10_000)] * 100).find("?"))
    assert len(found) == MAX_PASSAGES
    assert len(found[0].text) == MAX_CHARACTERS


def test_what_is_no_retriever() -> None:
    with pytest.raises(UnknownRetriever, match="use `module:attribute`"):
        OwnRetriever("nothing")
    with pytest.raises(UnknownRetriever, match="gives a int: use a LangChain retriever"):
        OwnRetriever(f"{__name__}:MAX_PASSAGES")
