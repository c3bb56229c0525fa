"""A folder that is renamed, moved, emptied, or away for a moment: what is known of it stays."""

import asyncio
import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.documents.apart import Apart
from agent.documents.files import Stamp
from agent.documents.index import connect, passages, ranked
from agent.documents.library import EMPTIED, Library
from tests.agent.documents.asking import texts, until


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "pets").mkdir()
    (folder / "cats.md").rename(folder / "pets" / "cats.md")
    return folder


def found(library: Library, question: str) -> list[str]:
    """While it is being updated."""
    with closing(connect(library._index.path)) as connection:
        return [each.text for each in passages(connection, ranked(connection, question, 5))]


def unmount(folder: Path, drive: Path) -> None:
    folder.rename(drive)
    folder.mkdir()


def mount(folder: Path, drive: Path) -> None:
    folder.rmdir()
    drive.rename(folder)


def test_what_is_renamed_is_found_all_the_time(library: Library, folder: Path) -> None:
    async def scenario() -> None:
        await library.update()
        (folder / "pets").rename(folder / "animals")
        (folder / "cars.txt").unlink()
        seen: list[list[str]] = []
        await library.update(lambda *_: seen.append(found(library, "cat")))
        assert seen == [["A cat purrs when it sleeps."], ["A cat purrs when it sleeps."] * 2]
        assert await library.size() == (1, 1, {})

    asyncio.run(scenario())


def test_what_moves_while_it_is_read(library: Library, folder: Path) -> None:
    """Away, and back before the next look: nobody can tell from the files."""
    away = folder.parent / "away"

    def move(_: str, done: int, total: int) -> None:
        if done == 0:
            (folder / "pets").rename(away)
        if done == total:
            away.rename(folder / "pets")

    async def scenario() -> None:
        await library.update(move)
        assert await library.size() == (1, 1, {})
        await library.update()
        assert await library.size() == (2, 2, {})

    asyncio.run(scenario())


def test_what_is_back_when_all_is_read(library: Library, folder: Path) -> None:
    away = folder.parent / "away"

    def move(_: str, done: int, total: int) -> None:
        if done == total:
            away.rename(folder / "pets")

    async def scenario() -> None:
        await library.update()
        (folder / "pets").rename(away)
        await library.update(move)
        assert await library.size() == (2, 2, {})

    asyncio.run(scenario())


@pytest.mark.parametrize("what", ["scandir", "stat"])
def test_a_network_drive_that_hiccups(
    what: str, library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: Any = os if what == "scandir" else Path
    real = getattr(where, what)

    def sick(path: Path, **options: Any) -> Any:
        if "pets" in Path(path).relative_to(folder.parent).parts:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return real(path, **options)

    async def scenario() -> None:
        other = Library(folder, library._index.path.with_name("other.sqlite"))
        await library.update()
        with monkeypatch.context() as patch:
            patch.setattr(where, what, sick)
            for _ in "12":
                await library.update()
                assert await texts(library, "cat") == ["A cat purrs when it sleeps."]
            await other.update()
            (problem,) = (await other.size()).unreadable.values()
            assert problem.endswith("Transport endpoint is not connected"), "it is told"
        for each in (library, other):
            await each.update()
            assert await each.size() == (2, 2, {})

    asyncio.run(scenario())


def test_a_drive_that_is_missing(library: Library, folder: Path, caplog) -> None:
    """Its place is there, and is empty: another folder than before."""

    async def scenario() -> None:
        drive = folder.parent / "drive"
        await library.update()
        async with library.kept(interval=0.01):
            unmount(folder, drive)
            await until(lambda: caplog.messages)
            assert await texts(library, "cat"), "what was known stays"
        later = Library(folder, library._index.path)
        async with later.kept(interval=0.01):
            assert await texts(later, "cat"), "whoever starts without it"
            mount(folder, drive)
            (folder / "dogs.md").write_text("Dogs bark.")
            await until(lambda: texts(later, "dogs"))

    asyncio.run(scenario())
    assert set(caplog.messages) <= {
        EMPTIED,
        "The documents cannot be read (FileNotFoundError): what is known stays.",
    }
    assert EMPTIED in caplog.messages


def test_a_folder_that_was_emptied(library: Library, folder: Path, caplog) -> None:
    async def scenario() -> None:
        await library.update()
        async with library.kept(interval=0.01):
            (folder / "pets" / "cats.md").unlink()
            (folder / "cars.txt").unlink()
            await until(lambda: is_empty())
        (folder / "cars.txt").write_text("A car needs oil.")
        await library.update()
        unmount(folder, folder.parent / "drive")
        await library.update()
        assert await is_empty(), "who indexes it by hand means it"

    async def is_empty() -> bool:
        return await library.size() == (0, 0, {})

    asyncio.run(scenario())
    assert caplog.messages == []


def test_a_file_of_the_far_future(library: Library, folder: Path) -> None:
    os.utime(folder / "cars.txt", (10**10 + 5 * 10**8, 10**10 + 5 * 10**8))

    async def scenario() -> None:
        for _ in "12":
            await library.update()
            assert await library.size() == (2, 2, {})
        with Apart() as apart:
            library._updating._take("cars.txt", Stamp(2**63, 0), apart)
        assert (await library.size()).unreadable == {"cars.txt": "cannot be read (OverflowError)"}
        await library.update()
        assert await library.size() == (2, 2, {}), "it is tried again"

    asyncio.run(scenario())


def test_an_index_that_is_gone_is_no_documents_fault(library: Library) -> None:
    asyncio.run(library.update())
    library._index.discard()
    with Apart() as apart, pytest.raises(sqlite3.OperationalError):
        library._updating._take("cars.txt", Stamp(0, 0), apart)
