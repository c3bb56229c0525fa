"""The documents of a folder: which there are, and what is in one. Nothing outside of it."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agent.documents.block import Passing, Unreadable
from agent.documents.reading import is_document

MAX_SIZE = 20 * 1024 * 1024
MAX_FILES = 50_000
MAX_DEPTH = 32
PASSING = (
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE),
    *(errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN),  # of a drive on the network
)
_MOVED = (errno.ENOENT, errno.ENOTDIR)
_MOST = 2**63 - 1  # what the index can keep: some file systems' times are later
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
    unsure: set[str]
    """What of that could not be looked at just now."""
    place: str
    """By which another folder of the same name is told apart."""

    @property
    def is_empty(self) -> bool:
        return not (self.documents or self.skipped)

    def lacks(self, path: str) -> bool:
        """Whether it is not there, as far as can be seen."""
        there = path in self.documents or path in self.skipped
        return not (there or self.is_unsure(path))

    def is_unsure(self, path: str) -> bool:
        """Whether it, or a folder that it is in, may be there again soon."""
        above = (path[: end.start()] for end in re.finditer("/", path))
        return path in self.unsure or not self.unsure.isdisjoint(above)


def scan(folder: Path) -> Found:
    """What is in a folder. Hidden files, and files of other kinds, are not mentioned.

    Raises `OSError` for the folder itself.
    """
    root = folder.resolve()
    seen = root.stat()
    found = Found({}, {}, set(), f"{seen.st_dev}:{seen.st_ino}")
    for path, problem in _paths(root, "", MAX_DEPTH):
        named = os.fsencode(path).decode(errors="replace")  # the index keeps nothing else
        if problem:
            _skip(found, named, problem)
            continue
        if len(found.documents) == MAX_FILES:
            found.skipped[named] = f"and what follows it: more than {MAX_FILES:,} documents"
            break
        try:
            found.documents[named] = _stamp((root / path).stat())
        except OSError as error:  # a link that points to nothing
            _skip(found, named, _problem("cannot be opened", error))
    return found


def _skip(found: Found, path: str, problem: Unreadable) -> None:
    found.skipped[path] = str(problem)
    if isinstance(problem, Passing):
        found.unsure.add(path)


def _stamp(seen: os.stat_result) -> Stamp:
    known = (seen.st_mtime_ns, seen.st_size, seen.st_ctime_ns)
    return Stamp(*(max(-_MOST, min(each, _MOST)) for each in known))


def _problem(what: str, error: Exception) -> Unreadable:
    reason = getattr(error, "strerror", None) or "a ring of links"
    kind = Passing if getattr(error, "errno", None) in PASSING else Unreadable
    return kind(f"{what}: {reason}")


def _paths(folder: Path, before: str, depth: int) -> Iterator[tuple[str, Unreadable | None]]:
    """Documents, and what is not looked into with the reason."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = before + entry.name
            if entry.name.startswith("."):
                continue
            if not _is_folder(entry):
                if is_document(entry.name):
                    yield path, None
            elif entry.is_symlink():
                yield path, Unreadable("is a link to a folder, which is not followed")
            elif depth == 0:
                yield path, Unreadable(f"is more than {MAX_DEPTH} folders deep")
            else:
                try:
                    yield from _paths(Path(entry.path), f"{path}/", depth - 1)
                except OSError as error:
                    yield path, _problem("cannot be looked into", error)


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
        problem = _problem("cannot be opened", error)
        if getattr(error, "errno", None) in _MOVED:  # since the folder was looked at
            raise Passing(str(problem)) from None
        raise problem from None
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
