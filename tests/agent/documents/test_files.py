"""What is in a folder, and nothing of what is outside."""

import errno
import os
from pathlib import Path

import pytest

from agent.documents import files
from agent.documents.block import Passing, Unreadable
from agent.documents.files import Stamp, content, scan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("The key is under the mat.")
    folder = tmp_path / "docs"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "b.md").write_text("B")
    (folder / "deep" / "deeper" / "a.txt").write_text("AA")
    (folder / "deep" / ".hidden.txt").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "c.txt").write_text("x")
    (folder / "program.exe").write_text("x")
    (folder / "folder.md").mkdir()
    (folder / "folder.md" / "d.md").write_text("D")
    return folder


def refused(folder: Path, path: str) -> str:
    with pytest.raises(Unreadable) as caught:
        content(folder, path)
    return str(caught.value)


def test_documents_in_order(folder: Path) -> None:
    found = scan(folder).documents
    assert list(found) == ["b.md", "deep/deeper/a.txt", "folder.md/d.md"]
    seen = (folder / "b.md").stat()
    assert found["b.md"] == Stamp(seen.st_mtime_ns, 1, seen.st_ctime_ns)
    assert content(folder, "deep/deeper/a.txt") == b"AA"


def test_links(folder: Path) -> None:
    (folder / "inside.md").symlink_to("deep/deeper/a.txt")
    (folder / "outside.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "up").symlink_to(folder.parent)
    (folder / "nowhere.txt").symlink_to("nothing")
    (folder / "ring.txt").symlink_to("ring.txt")
    found = scan(folder)
    assert "up/secret.txt" not in found.documents
    assert found.skipped == {
        "nowhere.txt": "cannot be opened: No such file or directory",
        "ring.txt": "cannot be opened: Too many levels of symbolic links",
        "up": "is a link to a folder, which is not followed",
    }
    assert content(folder, "inside.md") == b"AA"
    assert refused(folder, "outside.txt") == "leads out of the folder"
    assert refused(folder, "up/secret.txt") == "leads out of the folder"
    assert refused(folder, "../secret.txt") == "leads out of the folder"
    assert refused(folder, str(folder.parent / "secret.txt")) == "leads out of the folder"
    assert refused(folder, "nowhere.txt") == "cannot be opened: No such file or directory"
    assert refused(folder, "ring.txt").startswith("cannot be opened: ")
    (folder.parent / "link").symlink_to(folder)
    assert scan(folder.parent / "link") == found, "the folder itself may be one"


def test_what_is_no_file_does_not_hang(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    assert "pipe.txt" in scan(folder).documents
    assert refused(folder, "pipe.txt") == "is no regular file"


def test_what_is_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "huge.txt").open("wb") as huge:
        huge.truncate(files.MAX_SIZE + 1)
    assert refused(folder, "huge.txt") == "is larger than 20 MiB"
    monkeypatch.setattr(files, "MAX_FILES", 2)
    assert len(scan(folder).documents) == 2
    assert scan(folder).skipped == {"folder.md/d.md": "and what follows it: more than 2 documents"}
    monkeypatch.setattr(files, "MAX_FILES", 9)
    monkeypatch.setattr(files, "MAX_DEPTH", 1)
    assert list(scan(folder).documents) == ["b.md", "folder.md/d.md", "huge.txt"]
    assert scan(folder).skipped == {"deep/deeper": "is more than 1 folders deep"}


def test_a_name_that_is_not_utf_8(folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    (name,) = (path for path in scan(folder).documents if path.startswith("caf"))
    assert refused(folder, name) == "has a name that is not UTF-8"


def test_a_folder_that_has_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def gone(path: Path) -> object:
        if path.name == "deep":
            raise FileNotFoundError(2, "it has gone")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", gone)
    assert list(scan(folder).documents) == ["b.md", "folder.md/d.md"]
    assert scan(folder).skipped == {"deep": "cannot be looked into: it has gone"}
    with pytest.raises(FileNotFoundError):
        scan(folder / "nothing")


def test_a_link_to_a_folder_inside_costs_nothing(folder: Path) -> None:
    (folder / "link.md").symlink_to("deep")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        assert refused(folder, "link.md") == "is no regular file"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_that_becomes_a_link_while_it_is_read(folder: Path, monkeypatch) -> None:
    (folder / "deep" / "secret.txt").write_text("x")
    real_open = os.open

    def exchanged(path: Path, flags: int) -> int:
        (folder / "deep").rename(folder / "was")
        (folder / "deep").symlink_to(folder.parent)
        return real_open(path, flags)

    monkeypatch.setattr(os, "open", exchanged)
    assert refused(folder, "deep/secret.txt") == "leads out of the folder"


def test_a_machine_that_is_short_of_something(folder: Path, monkeypatch) -> None:
    def short(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", short)
    with pytest.raises(Passing, match="Too many open files"):
        content(folder, "b.md")


def test_where_a_system_cannot_tell_where_a_file_is(folder: Path, monkeypatch) -> None:
    def unknown(_: Path) -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "readlink", unknown)
    assert content(folder, "b.md") == b"B"
