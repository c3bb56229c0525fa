"""The documents of a folder: which there are, and what is in one. Nothing outside of it."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agent.documents.block import Passing, Unreadable
from agent.documents.reading import is_document

MAX_SIZE = 20 * 1024 * 1024
MAX_FILES = 50_000
MAX_DEPTH = 32
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE)
_SAFELY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Stamp(NamedTuple):
    """By which a file is known to have changed; times in nanoseconds."""

    modified: int
    size: int
    changed: int = 0
    """Its name, rights or place too: another file may have taken its place."""


class Found(NamedTuple):
    """By paths inside the folder, with `/`."""

    documents: dict[str, Stamp]
    skipped: dict[str, str]
    """What is not read, and why."""


def scan(folder: Path) -> Found:
    """What is in a folder. Hidden files, and files of other kinds, are not mentioned.

    Raises `OSError` for the folder itself.
    """
    root = folder.resolve()
    found = Found({}, {})
    for path, reason in _paths(root, "", MAX_DEPTH):
        named = os.fsencode(path).decode(errors="replace")  # the index keeps nothing else
        if reason:
            found.skipped[named] = reason
            continue
        if len(found.documents) == MAX_FILES:
            found.skipped[named] = f"and what follows it: more than {MAX_FILES:,} documents"
            break
        try:
            seen = (root / path).stat()
        except OSError as error:  # a link that points to nothing
            found.skipped[named] = f"cannot be opened: {error.strerror}"
        else:
            found.documents[named] = Stamp(seen.st_mtime_ns, seen.st_size, seen.st_ctime_ns)
    return found


def _paths(folder: Path, before: str, depth: int) -> Iterator[tuple[str, str]]:
    """Documents, and folders that are not looked into with the reason."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = before + entry.name
            if entry.name.startswith("."):
                continue
            if not _is_folder(entry):
                if is_document(entry.name):
                    yield path, ""
            elif entry.is_symlink():
                yield path, "is a link to a folder, which is not followed"
            elif depth == 0:
                yield path, f"is more than {MAX_DEPTH} folders deep"
            else:
                try:
                    yield from _paths(Path(entry.path), f"{path}/", depth - 1)
                except OSError as error:
                    yield path, f"cannot be looked into: {error.strerror}"


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a ring of links
        return False


def content(folder: Path, path: str) -> bytes:
    """What is in a document. Raises `Unreadable`, for what is not inside the folder too."""
    root = folder.resolve()
    try:
        real = (root / path).resolve(strict=True)  # a link may lead to another place in the folder
        if not real.is_relative_to(root):
            raise Unreadable("leads out of the folder")
        data = _read(real, root)
    except (OSError, RuntimeError) as error:  # a ring of links is the latter in older Pythons
        if "\ufffd" in path and isinstance(error, FileNotFoundError):
            raise Unreadable("has a name that is not UTF-8") from None
        reason = getattr(error, "strerror", None) or "a ring of links"
        kind = Passing if getattr(error, "errno", None) in PASSING else Unreadable
        raise kind(f"cannot be opened: {reason}") from None
    if len(data) > MAX_SIZE:
        raise Unreadable(f"is larger than {MAX_SIZE // 2**20} MiB")
    return data


def _read(real: Path, root: Path) -> bytes:
    descriptor = os.open(real, _SAFELY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("is no regular file")
        if not _place(descriptor, real).is_relative_to(root):
            raise Unreadable("leads out of the folder")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_SIZE + 1)
    finally:
        os.close(descriptor)


def _place(descriptor: int, path: Path) -> Path:
    """Where an open file really is: a folder may have become a link since it was looked up."""
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:
        return path  # not every system can tell
