"""A folder that is asked, and that changes while it is."""

import asyncio
import errno
import json
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from agent.documents import files, index
from agent.documents.apart import Apart
from agent.documents.block import Block
from agent.documents.files import Stamp
from agent.documents.index import passages, ranked
from agent.documents.knowledge import Knowledge, index_of
from agent.documents.library import HELD, Library
from agent.documents.passage import NotNow, Passage
from agent.offline.lookup import NOT_FOUND, quoting
from agent.tools.search import NOTHING, written
from stream.events import SourceFound
from tests.agent.documents.asking import texts, until

CORPUS = Path(__file__).parents[2] / "corpus"
ASKED = json.loads((CORPUS / "questions.json").read_text())
QUESTIONS = ASKED["questions"]
UNANSWERABLE = [{"question": each} for each in ASKED["unanswerable"]]


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


def test_the_corpus_is_quoted(tmp_path: Path) -> None:
    """By the offline model: what it finds it says, and what is not there it does not."""
    library = Library(CORPUS, tmp_path / "documents.sqlite")

    async def answers(questions: list[dict[str, str]]) -> list[str]:
        await library.update()
        found = [await library.find(each["question"]) for each in questions]
        results = [written(numbered(each)) if each else NOTHING for each in found]
        asked = [each["question"] for each in questions]
        return [quoting(each, result) for each, result in zip(asked, results, strict=True)]

    told = asyncio.run(answers(QUESTIONS))
    said = [each["words"] in answer for each, answer in zip(QUESTIONS, told, strict=True)]
    assert sum(said) / len(said) > 0.84
    assert max(map(len, told)) < 1000
    assert asyncio.run(answers(UNANSWERABLE)).count(NOT_FOUND) >= len(UNANSWERABLE) - 1


def numbered(passages: list[Passage]) -> list[SourceFound]:
    return [SourceFound(number, *passage) for number, passage in enumerate(passages, 1)]


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
        library = Library(folder, tmp_path)
        async with library.kept() as size:
            assert size == (0, 0, {})
            with pytest.raises(sqlite3.OperationalError, match="unable to open"):
                await library.find("cat")

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
    with pytest.raises(NotNow):
        asyncio.run(library.find("cat"))
    assert asyncio.run(library.size()) == (0, 0, {})


def test_while_another_process_reads_the_documents(library: Library, folder: Path) -> None:
    """It has the lock: this one starts, says so, and goes on where the other one ends."""
    other = Library(folder, library._index.path)

    async def scenario() -> None:
        reading = asyncio.Event()
        work = asyncio.create_task(library.update(lambda *_: reading.set()))
        await reading.wait()
        async with other.kept(interval=0.01):
            with pytest.raises(NotNow):
                await other.find("zebras")
            assert await work
            assert await other.find("zebras") == []
            (folder / "zebras.md").write_text("Zebras graze.")
            await until(lambda: texts(other, "zebras"))

    asyncio.run(scenario())


def test_an_index_that_is_held_delays_no_server(
    library: Library, folder: Path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(index, "PATIENCE", 0.0)

    async def scenario() -> None:
        await library.update()
        with closing(sqlite3.connect(library._index.path, isolation_level=None)) as holder:
            holder.execute("PRAGMA locking_mode = EXCLUSIVE")
            holder.execute("INSERT INTO about VALUES ('x', '')")
            async with library.kept(interval=0.01) as size:
                assert size == (0, 0, {})
                with pytest.raises(NotNow):
                    await library.find("cat")
                holder.close()
                await until(lambda: texts(library, "cat"))

    asyncio.run(scenario())
    assert set(caplog.messages) == {HELD}


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


def test_a_folder_is_what_its_link_leads_to(library: Library, folder: Path, tmp_path: Path) -> None:
    """As releases are switched: there is never half of one."""
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "cats.md").write_text("A cat eats.")
    (tmp_path / "next" / "out.md").symlink_to(folder / "cars.txt")
    (tmp_path / "new").symlink_to("next")
    link = tmp_path / "current"
    link.symlink_to(folder)
    followed = Library(link, tmp_path / index_of(link))

    async def scenario() -> None:
        async with followed.kept(interval=0.01):
            assert await texts(followed, "cat") == ["A cat purrs when it sleeps."]
            (tmp_path / "new").rename(link)
            await until(lambda: eats())
            await until(lambda: is_whole())

    async def eats() -> bool:
        return await texts(followed, "cat") == ["A cat eats."]

    async def is_whole() -> bool:
        return await followed.size() == (1, 1, {"out.md": "leads out of the folder"})

    asyncio.run(scenario())
    assert index_of(link) == followed._index.path.name, "and it is known by its own name"


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
