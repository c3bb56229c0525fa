"""Passages by meaning: what is embedded, when, and what happens where that fails."""

import asyncio
import logging
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from agent.documents import updating, vectors
from agent.documents.embeddings import Embedder
from agent.documents.fusion import fused
from agent.documents.library import Library
from tests.agent.documents.asking import embedded, texts, until
from tests.agent.documents.embedding_server import EmbeddingServer


class Growing(DeterministicFakeEmbedding):
    """Says more each time."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.size += 1
        return super().embed_documents(texts)


def test_meaning_finds_what_words_do_not(
    library: Library, embeddings: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updating, "AT_ONCE", 1)

    async def scenario() -> None:
        await library.update()
        assert await texts(library, "felines") == []
        async with embedded(library, embeddings) as better:
            told: list[tuple[str, int, int]] = []
            await better.update(lambda *progress: told.append(progress))
            assert told[-3:] == [("Embedding", 0, 2), ("Embedding", 1, 2), ("Embedding", 2, 2)]
            assert sorted(embeddings.texts) == [
                "Cats\nA cat purrs when it sleeps.",
                "cars.txt\nA car needs oil.",
            ]
            assert embeddings.requests[0]["model"] == "small"
            assert (await texts(better, "felines"))[0] == "A cat purrs when it sleeps."
            embeddings.requests.clear()
            await better.update()
            assert embeddings.requests == [], "nothing is embedded twice"

    asyncio.run(scenario())


def test_a_passage_that_its_model_refuses_does_not_stop_the_others(
    library: Library, embeddings: EmbeddingServer
) -> None:
    embeddings.refused = "oil"

    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
            assert better.is_embedded
            assert (await texts(better, "felines"))[0] == "A cat purrs when it sleeps."
            assert await texts(better, "oil") == ["A car needs oil."]
            asked = len(embeddings.requests)
            await better.update()
            assert len(embeddings.requests) == asked, "it is not asked again"

    asyncio.run(scenario())


def test_a_fault_among_refusals_is_a_fault(
    library: Library, embeddings: EmbeddingServer, caplog
) -> None:
    embeddings.refused, embeddings.status = "oil", 401

    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
            assert not better.is_embedded

    asyncio.run(scenario())
    assert caplog.messages == ["The documents cannot be embedded (AuthenticationError)."]


def test_what_stays_as_it_was_is_not_embedded_again(
    library: Library, folder: Path, embeddings: EmbeddingServer
) -> None:
    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
            (folder / "cats.md").write_text(f"{cats}\n\n# Dogs\n\nBark.")
            (folder / "cars.txt").touch()
            await better.update()
            assert embeddings.texts[2:] == ["Dogs\nBark."]

    cats = (folder / "cats.md").read_text()
    asyncio.run(scenario())


def test_vectors_of_several_sizes_are_not_asked_for_for_ever(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(updating, "AT_ONCE", 1)
    odd = Library(library._updating._folder, library._index.path, Embedder("odd", Growing(size=1)))
    asyncio.run(odd.update())
    assert caplog.messages == ["The documents cannot be embedded (UpstreamMalformed)."]
    assert not odd.is_embedded


def test_it_is_not_behind_where_it_cannot_go_on(
    library: Library, folder: Path, embeddings: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would try again at once, for ever."""
    monkeypatch.setattr(updating, "AT_ONCE", 1)

    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update(seconds=0)
            assert better._updating.is_behind
            await asyncio.to_thread(folder.rename, folder.parent / "gone")
            with pytest.raises(FileNotFoundError):
                await better.update(seconds=0)
            assert not better._updating.is_behind

    asyncio.run(scenario())


def test_it_follows_its_folder_while_it_embeds(
    library: Library, folder: Path, embeddings: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updating, "AT_ONCE", 1)

    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update(seconds=0)
            assert better._updating.is_behind
            assert not better.is_embedded
            (folder / "dogs.md").write_text("Dogs bark.")
            async with better.kept(interval=0.0):
                await until(lambda: better.is_embedded)
                assert (await texts(better, "dogs"))[0] == "Dogs bark."
            assert len(embeddings.requests) == 3 + 1, "each once, and the question"

    asyncio.run(scenario())


@pytest.mark.parametrize("tries", [1, 3], ids=["with a wrong key", "with a wrong name"])
def test_without_its_model_it_finds_words(
    tries: int, library: Library, embeddings: EmbeddingServer, caplog, monkeypatch
) -> None:
    """What may be a passage's fault is tried with each of them."""
    caplog.set_level(logging.WARNING, "lastword")
    embeddings.status = 401 if tries == 1 else 400

    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
            await better.update()
            assert len(embeddings.requests) == tries, "it is left alone for a while"
            assert await texts(better, "cat") == ["A cat purrs when it sleeps."]
            embeddings.status = 200
            monkeypatch.setattr(better._updating, "_embed_from", 0.0)
            await better.update()
            assert (await texts(better, "felines"))[0] == "A cat purrs when it sleeps."

    asyncio.run(scenario())
    problem = "AuthenticationError" if tries == 1 else "BadRequestError"
    assert caplog.messages == [
        f"The documents cannot be embedded ({problem}).",
        f"A question cannot be embedded ({problem}).",
    ]


def test_a_question_that_nobody_waits_for_is_not_embedded(
    library: Library, embeddings: EmbeddingServer
) -> None:
    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
            embeddings.held = True
            asking = asyncio.create_task(better.find("cat"))
            await until(lambda: "cat" in embeddings.texts)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await until(lambda: embeddings.left)

    asyncio.run(scenario())


def test_leaving_while_it_embeds(library: Library, embeddings: EmbeddingServer) -> None:
    embeddings.held = True

    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            async with better.kept():
                await until(lambda: embeddings.requests)
                assert await texts(library, "cat"), "words are found before"
            await until(lambda: embeddings.left)

    asyncio.run(scenario())


def test_fusion() -> None:
    found = fused([1, 2, 3], [3, 4], limit=3)
    assert list(found) == [3, 1, 2]
    assert found[3] == 1 / 63 + 1 / 61
    assert fused([], limit=3) == {}


def test_a_vector_of_nothing() -> None:
    assert not vectors._unit([0.0, 0.0]).any()


def test_a_model_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        async def aembed_query(self, _: str) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("agent.documents.embeddings.QUESTION_SECONDS", 0.01)
    with pytest.raises(TimeoutError):
        asyncio.run(Embedder("slow", Slow()).question("?"))  # type: ignore[arg-type]  # a stub
