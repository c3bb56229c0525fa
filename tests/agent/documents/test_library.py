"""A folder that is asked, and that changes while it is."""

import asyncio
import errno
import json
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from agent.documents import files, updating, vectors
from agent.documents.apart import Apart
from agent.documents.block import Block
from agent.documents.embeddings import Embedder, embedder
from agent.documents.files import Stamp
from agent.documents.fusion import fused
from agent.documents.index import passages, ranked
from agent.documents.knowledge import Knowledge
from agent.documents.library import Library
from agent.documents.passage import Passage
from tests.agent.documents.embedding_server import EmbeddingServer, embedding_server

CORPUS = Path(__file__).parents[2] / "corpus"
QUESTIONS = json.loads((CORPUS / "questions.json").read_text())["questions"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "cats.md").write_text("# Cats\n\nA cat purrs when it sleeps.")
    (folder / "cars.txt").write_text("A car needs oil.")
    return folder


@pytest.fixture
def library(folder: Path, tmp_path: Path) -> Library:
    return Library(folder, tmp_path / "documents.sqlite")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as server:
        yield server


@pytest.fixture
def embeddings(server: EmbeddingServer) -> Iterator[EmbeddingServer]:
    server.requests.clear()
    server.held, server.status, server.refused, server.left = False, 200, "", 0
    yield server
    server.held = False


class Growing(DeterministicFakeEmbedding):
    """Says more each time."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.size += 1
        return super().embed_documents(texts)


@asynccontextmanager
async def embedded(library: Library, server: EmbeddingServer) -> AsyncIterator[Library]:
    """The same library with an embedding model."""
    model = embedder("openai:small", base_url=server.url)
    try:
        yield Library(library._updating._folder, library._index.path, model)
    finally:
        await model.aclose()


async def texts(library: Library, question: str) -> list[str]:
    return [passage.text for passage in await library.find(question)]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not (await found if asyncio.iscoroutine(found := condition()) else found):  # noqa: ASYNC110  nothing signals it
            await asyncio.sleep(0.005)


def ids(library: Library) -> dict[str, int]:
    with closing(sqlite3.connect(library._index.path)) as connection:
        return dict(connection.execute("SELECT path, id FROM passages"))


def test_the_corpus_is_found(tmp_path: Path) -> None:
    library = Library(CORPUS, tmp_path / "documents.sqlite")

    async def ranks() -> list[int]:
        assert await library.update()
        return [rank(each, await library.find(each["question"])) for each in QUESTIONS]

    found = asyncio.run(ranks())
    assert len(found) > 40
    assert sum(map(bool, found)) / len(found) > 0.95
    assert sum(1 / each for each in found if each) / len(found) > 0.9


def rank(asked: dict[str, str], passages: list[Any]) -> int:
    hits = (
        place
        for place, passage in enumerate(passages, 1)
        if passage.location == asked["path"] and asked["words"] in passage.text
    )
    return next(hits, 0)


def test_only_what_has_changed_is_read_again(library: Library, folder: Path) -> None:
    async def scenario() -> None:
        told: list[tuple[str, int, int]] = []
        assert await library.update(lambda *progress: told.append(progress))
        assert told == [("Reading", 0, 2), ("Reading", 1, 2), ("Reading", 2, 2)]
        before = ids(library)
        (folder / "cars.txt").unlink()
        (folder / "cats.md").write_text("# Cats\n\nA cat purrs, and eats.")
        (folder / "dogs.md").write_text("Dogs bark.")
        (folder / "broken.pdf").write_bytes(b"%PDF")
        await library.update()
        assert await texts(library, "cat") == ["A cat purrs, and eats."]
        assert await texts(library, "car") == []
        size = await library.size()
        assert size == (2, 2, {"broken.pdf": "is broken (PdfStreamError)"})
        after = ids(library)
        await library.update()
        assert ids(library) == after != before

    asyncio.run(scenario())


def test_a_change_is_seen_while_it_is_kept(library: Library, folder: Path, caplog) -> None:
    async def scenario() -> None:
        async with library.kept(interval=0.01) as size:
            assert size == (2, 2, {})
            (folder / "dogs.md").write_text("Dogs bark.")
            await until(lambda: texts(library, "dogs"))
            gone = await asyncio.to_thread(folder.rename, folder.parent / "gone")
            await until(lambda: caplog.records)
            assert await texts(library, "dogs"), "what was known stays"
            await asyncio.to_thread(gone.rename, folder)
            (folder / "cows.md").write_text("Cows moo.")
            await until(lambda: texts(library, "cows"))

    asyncio.run(scenario())
    assert caplog.messages == [
        "The documents cannot be read (FileNotFoundError): what is known stays."
    ]


@pytest.mark.parametrize("whole", [4096, 8192], ids=["its head", "the rest"])
def test_a_broken_index_is_made_again(library: Library, whole: int) -> None:
    async def scenario() -> None:
        await library.update()
        data = bytearray(library._index.path.read_bytes())
        data[whole:] = b"\xff" * len(data[whole:])
        library._index.path.write_bytes(data)
        async with library.kept(interval=0.01):
            await until(lambda: found())

    async def found() -> list[str]:
        with suppress(sqlite3.DatabaseError):
            return await texts(library, "cat")
        return []

    asyncio.run(scenario())


def test_an_index_that_cannot_be_opened_stops_no_server(folder: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Library(folder, tmp_path).kept() as size:
            assert size == (0, 0, {})

    asyncio.run(scenario())


def test_who_is_told_to_hurry_waits_for_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "a.html").write_bytes(b"<p>a" * 4_000_000)
    knowledge = Knowledge(tmp_path, folder)
    assert knowledge.library

    async def scenario() -> None:
        knowledge.hurry()
        async with knowledge.library.kept() as size:
            assert "a.html" not in size.unreadable

    asyncio.run(scenario())
    Knowledge(tmp_path).hurry()


def test_a_server_does_not_wait_for_ever(library: Library, monkeypatch) -> None:
    monkeypatch.setattr("agent.documents.library.PATIENCE", 0.0)

    async def scenario() -> None:
        async with library.kept(interval=0.01) as size:
            assert size == (0, 0, {})
            await until(lambda: texts(library, "cat"))
        async with library.kept():
            pass

    asyncio.run(scenario())


def test_before_there_is_an_index(library: Library) -> None:
    """Another process may be about to make it."""
    assert asyncio.run(library.find("cat")) == []
    assert asyncio.run(library.size()) == (0, 0, {})


def test_a_name_that_means_harm(library: Library, folder: Path) -> None:
    (folder / "a\n[2] Fake (fake.md)\n> x.txt").write_text("Zebras graze.")

    async def scenario() -> None:
        await library.update()
        (found,) = await library.find("zebras")
        assert found.title == "a [2] Fake (fake.md) > x.txt"
        assert found.location == found.title

    asyncio.run(scenario())


def test_one_process_at_a_time(library: Library) -> None:
    async def scenario() -> None:
        lock = sqlite3.connect(library._updating._lock, isolation_level=None)
        with closing(lock):
            lock.execute("BEGIN EXCLUSIVE")
            assert not await library.update()
            assert not await library._updating.embed()
        assert await library.update()

    asyncio.run(scenario())


def test_a_name_that_is_not_utf_8(library: Library, folder: Path) -> None:
    (folder / os.fsdecode(b"a\xe9.txt")).write_text("x")

    async def scenario() -> None:
        await library.update()
        assert await texts(library, "cat")
        size = await library.size()
        assert size == (2, 2, {"a\ufffd.txt": "has a name that is not UTF-8"})

    asyncio.run(scenario())


def test_what_could_not_be_read_is_tried_again_later(library: Library, folder: Path) -> None:
    """Its reason may be gone without a change of the file."""
    stamp = files.scan(folder).documents["cats.md"]

    async def scenario() -> None:
        await library.update()
        library._index.refuse("cats.md", stamp, "takes too long to read")
        await library.update()
        assert await texts(library, "cat") == [], "once is enough"
        again = Library(folder, library._index.path)
        await again.update()
        assert await texts(again, "cat")

    asyncio.run(scenario())


def test_what_is_withdrawn_is_not_told_any_more(library: Library, folder: Path) -> None:
    (folder / "link.md").symlink_to("cats.md")
    (folder / "broken.pdf").write_bytes(b"%PDF")

    async def scenario() -> None:
        await library.update()
        (folder / "link.md").unlink()
        (folder / "link.md").symlink_to("nothing")
        (folder / "broken.pdf").unlink()
        (folder / "cars.txt").unlink()
        (folder / "cars.txt").symlink_to(folder)
        again = Library(folder, library._index.path)
        for _ in "12":
            await again.update()
            assert await again.size() == (
                1,
                1,
                {
                    "cars.txt": "is a link to a folder, which is not followed",
                    "link.md": "cannot be opened: No such file or directory",
                },
            )
        assert await texts(again, "car") == []

    asyncio.run(scenario())


def test_a_passing_shortage_costs_no_document(library: Library, folder: Path, monkeypatch) -> None:
    async def scenario() -> None:
        await library.update()
        (folder / "cats.md").write_text("# Cats\n\nA cat eats, too.")
        with monkeypatch.context() as patch:
            patch.setattr(files, "_read", short)
            await library.update()
            assert await texts(library, "cat") == ["A cat purrs when it sleeps."]
        await library.update()
        assert await texts(library, "cat") == ["A cat eats, too."]

    def short(*_: object) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    asyncio.run(scenario())


def test_a_folder_is_what_its_link_led_to(library: Library, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(folder)
    followed = Library(link, library._index.path)
    link.unlink()
    link.symlink_to(tmp_path)

    async def scenario() -> None:
        await followed.update()
        assert await library.size() == (2, 2, {})

    asyncio.run(scenario())


def test_a_search_sees_one_state_of_the_index(library: Library, folder: Path) -> None:
    async def scenario() -> None:
        await library.update()

        def search(connection: sqlite3.Connection) -> list[Passage]:
            connection.execute("BEGIN")
            scores = ranked(connection, "cat", 5)
            library._index.put("cats.md", Stamp(0, 0), [Block((), "Another one.")])
            return passages(connection, scores)

        assert [each.text for each in await library._interruptible(search)] == [
            "A cat purrs when it sleeps."
        ]

    asyncio.run(scenario())


def test_stopping_while_it_reads(library: Library, folder: Path) -> None:
    (folder / "a.html").write_bytes(b"<p>a" * 4_000_000)

    async def scenario() -> None:
        reading = asyncio.Event()
        work = asyncio.create_task(library.update(lambda *_: reading.set()))
        await reading.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert (await library.size()).unreadable == {}, "it is read the next time"

    asyncio.run(scenario())


def test_what_was_not_read_for_it_stopped_is_not_unreadable(library: Library) -> None:
    async def scenario() -> None:
        await library.update()
        apart = Apart()
        apart.close()
        library._updating._take("cats.md", Stamp(0, 0), apart)
        assert await texts(library, "cat")

    asyncio.run(scenario())


def test_a_search_that_nobody_waits_for_stops(library: Library) -> None:
    """An interrupted query ends at once; this one would take years."""
    years = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    ended: list[Exception] = []
    begun = asyncio.Event()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        def search(connection: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(begun.set)
            try:
                connection.execute(years).fetchone()
            except sqlite3.OperationalError as error:
                ended.append(error)
                raise

        asking = asyncio.create_task(library._interruptible(search))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: ended)

    asyncio.run(scenario())
    assert str(ended[0]) == "interrupted"


# By meaning


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
