"""Passages by meaning: what is embedded, when, and what happens where that fails."""

import asyncio
import logging
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from agent.documents import embeddings as module
from agent.documents import vectors
from agent.documents.embeddings import Embedder
from agent.documents.fusion import fused
from agent.documents.library import Library
from tests.agent.documents.asking import embedded, texts, until
from tests.agent.documents.embedding_server import EmbeddingServer, embedding_server


class Growing(DeterministicFakeEmbedding):
    """Says more each time."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.size += 1
        return super().embed_documents(texts)


def test_meaning_finds_what_words_do_not(
    library: Library, embeddings: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)

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
            assert await texts(better, "oil") == ["A car needs oil."], "refused as a question, too"
            assert (await texts(better, "felines"))[0] == "A cat purrs when it sleeps."
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
    monkeypatch.setattr(module, "AT_ONCE", 1)
    odd = Library(library._updating._folder, library._index.path, Embedder("odd", Growing(size=1)))
    asyncio.run(odd.update())
    assert caplog.messages == ["The documents cannot be embedded (UpstreamMalformed)."]
    assert not odd.is_embedded


def test_it_follows_its_folder_while_it_embeds(
    library: Library, folder: Path, embeddings: EmbeddingServer
) -> None:
    """However long its model takes."""
    embeddings.held = True

    async def scenario() -> None:
        async with embedded(library, embeddings) as better, better.kept(interval=0.01):
            await until(lambda: embeddings.requests)
            (folder / "cars.txt").unlink()
            (folder / "cats.md").unlink()
            (folder / "dogs.md").write_text("Dogs bark.")
            await until(lambda: is_read())
            embeddings.held = False
            await until(lambda: better.is_embedded)
            assert await texts(better, "felines") == ["Dogs bark."]
            (found,) = await better.find("dogs bark")
            assert found.score == 2 / 61
        assert [len(request["input"]) for request in embeddings.requests] == [2, 1, 1, 1]

    async def is_read() -> bool:
        return await library.size() == (1, 1, {})

    asyncio.run(scenario())


def test_one_process_embeds_at_a_time(library: Library, embeddings: EmbeddingServer) -> None:
    async def scenario() -> None:
        async with embedded(library, embeddings) as one, embedded(library, embeddings) as other:
            embeddings.held = True
            work = asyncio.create_task(one.update())
            await until(lambda: embeddings.requests)
            assert not await other.update()
            embeddings.held = False
            assert await work
        assert len(embeddings.requests) == 1

    asyncio.run(scenario())


def test_nothing_is_embedded_before_all_is_read(
    library: Library, embeddings: EmbeddingServer
) -> None:
    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            assert better._meaning
            assert await better._meaning.embed()
            assert not better.is_embedded

    asyncio.run(scenario())


def test_what_has_only_moved_is_not_embedded_again(
    library: Library, folder: Path, embeddings: EmbeddingServer
) -> None:
    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
            (folder / "pets").mkdir()
            (folder / "cats.md").rename(folder / "pets" / "cats.md")
            (folder / "pets" / "again.md").write_text("# Cats\n\nA cat purrs when it sleeps.")
            await better.update()
            assert len(embeddings.requests) == 1
            found = [passage.location for passage in await better.find("felines")]
            assert sorted(found[:2]) == ["pets/again.md", "pets/cats.md"]

    asyncio.run(scenario())


def test_what_is_new_stands_in_no_ones_shadow(
    library: Library, folder: Path, embeddings: EmbeddingServer
) -> None:
    """Passages without a vector are found by their words, as if there were none at all."""
    for name in ("horses", "cows", "goats", "sheep", "pigs", "ducks"):
        (folder / f"{name}.md").write_text(f"The fee for {name} on the ferry.")
    embeddings.refused = "yaks"

    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
            (folder / "yaks.md").write_text("The fee for yaks on the ferry.")
            await better.update()
            embeddings.refused = ""
            question = "What is the fee for yaks on the ferry?"
            assert (await texts(better, question))[0] == "The fee for yaks on the ferry."

    asyncio.run(scenario())


def test_a_model_that_has_changed_behind_its_name(
    library: Library, folder: Path, embeddings: EmbeddingServer, caplog
) -> None:
    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
            embeddings.size = 32
            for _ in "12":
                assert "A cat purrs when it sleeps." not in await texts(better, "felines")
                await better.update()
                assert (await texts(better, "felines"))[0] == "A cat purrs when it sleeps."
                embeddings.size = 64 if embeddings.size == 32 else 32
            asked = len(embeddings.requests)
            await texts(better, "felines")
            await better.update()
            assert len(embeddings.requests) == asked + 1, "not for ever"
            (folder / "dogs.md").write_text("Dogs bark.")
            await better.update()
            asked = len(embeddings.requests)
            await better.update()
            assert len(embeddings.requests) == asked, "whatever size was the last one"

    asyncio.run(scenario())
    assert caplog.messages == ["The embedding model has changed: all is embedded anew."] * 2


def test_a_model_of_the_same_name_elsewhere(library: Library, embeddings: EmbeddingServer) -> None:
    async def scenario() -> None:
        async with embedded(library, embeddings) as better:
            await better.update()
        with embedding_server() as other:
            async with embedded(library, other) as elsewhere:
                await elsewhere.update()
            assert len(other.texts) == 2

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
            assert await texts(better, "felines") == []
            asked = embeddings.texts.count("felines")
            assert asked == (tries == 3), "by questions, too, unless they may be at fault"
            monkeypatch.setattr(better._meaning, "_embed_from", 0.0)
            monkeypatch.setattr(better._meaning, "_ask_from", 0.0)
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
    assert fused([1, 2], [2, 3], {1}, limit=2) == {2: 1 / 62 + 1 / 61, 1: 2 / 61}
    assert fused([], [], limit=3) == {}


def test_a_vector_of_nothing() -> None:
    assert not vectors._unit([0.0, 0.0]).any()


def test_a_model_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        async def aembed_query(self, _: str) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("agent.documents.embeddings.QUESTION_SECONDS", 0.01)
    with pytest.raises(TimeoutError):
        asyncio.run(Embedder("slow", Slow()).question("?"))  # type: ignore[arg-type]  # a stub
