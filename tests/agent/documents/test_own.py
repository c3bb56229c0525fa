"""A retriever of one's own: any of LangChain's."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore

from agent.documents import own
from agent.documents.knowledge import Knowledge
from agent.documents.own import (
    MAX_CHARACTERS,
    MAX_LOCATION,
    MAX_PASSAGES,
    OwnRetriever,
    RetrieverHangs,
    UnknownRetriever,
)
from agent.documents.passage import Passage
from agent.threads import MOST
from tests.agent.documents.asking import until


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


class Hanging(Embeddings):
    """No async code, deep inside of a retriever. It hangs until it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.let_go = threading.Event()

    def embed_documents(self, texts):
        return [[1.0] for _ in texts]

    def embed_query(self, text):
        self.begun.append(text)
        assert self.let_go.wait(60)
        return [1.0]


HANGING = Hanging()
STORE = InMemoryVectorStore.from_texts(["W."], HANGING).as_retriever()


def test_one_that_hangs_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    async def scenario() -> None:
        knowledge = Knowledge(tmp_path, retriever=f"{__name__}:STORE")
        retriever = knowledge._finder
        async with knowledge.open():
            asked = [asyncio.create_task(retriever.find(str(n))) for n in range(MOST + 1)]
            await until(lambda: len(HANGING.begun) == MOST)
            for each in asked:
                each.cancel()
            await asyncio.wait(asked)
            assert await asyncio.to_thread(str, "others") == "others"
            with pytest.raises(RetrieverHangs):
                await retriever.find("?")
            HANGING.let_go.set()
            await until(lambda: finds(retriever))
        assert len(set(HANGING.begun)) == MOST + 1, "what nobody waited for never began"

    async def finds(retriever: OwnRetriever) -> bool:
        with suppress(RetrieverHangs):
            return [each.text for each in await retriever.find("again")] == ["W."]
        return False

    asyncio.run(scenario())
