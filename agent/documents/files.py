"""The documents of a folder: which there are, and what is in one. Nothing outside of it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agent.documents.block import Unreadable
from agent.documents.reading import is_document

MAX_SIZE = 20 * 1024 * 1024
MAX_FILES = 50_000
MAX_DEPTH = 32
_SAFELY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Stamp(NamedTuple):
    """By which a file is known to have changed."""

    modified: int
    """In nanoseconds."""
    size: int


def scan(folder: Path) -> dict[str, Stamp]:
    """The documents by their paths inside the folder, with `/`. Hidden ones are left out.

    Raises `OSError` for the folder itself.
    """
    root = folder.resolve()
    found: dict[str, Stamp] = {}
    for path in _paths(root, "", MAX_DEPTH):
        if len(found) == MAX_FILES:
            break
        try:
            seen = (root / path).stat()
        except OSError:  # it has gone, or points to nothing
            continue
        named = os.fsencode(path).decode(errors="replace")  # the index keeps nothing else
        found[named] = Stamp(seen.st_mtime_ns, seen.st_size)
    return found


def _paths(folder: Path, before: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if is_document(entry.name) and not entry.is_dir(follow_symlinks=False):
                yield before + entry.name
            elif depth and entry.is_dir(follow_symlinks=False):
                try:
                    yield from _paths(Path(entry.path), f"{before}{entry.name}/", depth - 1)
                except OSError:  # a folder that may not be looked into
                    continue


def content(folder: Path, path: str) -> bytes:
    """What is in a document. Raises `Unreadable`, for what is not inside the folder too."""
    root = folder.resolve()
    try:
        real = (root / path).resolve(strict=True)  # a link may lead to another place in the folder
        if not real.is_relative_to(root):
            raise Unreadable("leads out of the folder")
        with open(os.open(real, _SAFELY), "rb") as file:  # noqa: PTH123  pathlib opens no descriptor
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("is no regular file")
            data = file.read(MAX_SIZE + 1)
    except (OSError, RuntimeError) as error:  # a ring of links is the latter in older Pythons
        if "\ufffd" in path and isinstance(error, FileNotFoundError):
            raise Unreadable("has a name that is not UTF-8") from None
        reason = getattr(error, "strerror", None) or "a ring of links"
        raise Unreadable(f"cannot be opened: {reason}") from None
    if len(data) > MAX_SIZE:
        raise Unreadable(f"is larger than {MAX_SIZE // 2**20} MiB")
    return data
