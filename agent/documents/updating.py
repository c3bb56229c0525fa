"""Brings an index up to date with its folder: only what has changed is read again."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from agent.documents.alone import alone
from agent.documents.apart import Apart
from agent.documents.block import Passing, Unreadable
from agent.documents.files import Found, Stamp, content, scan
from agent.documents.index import Index

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told of what is being done, how much of it is done, and how much there is."""


def quietly(_what: str, _done: int, _total: int) -> None:
    """No progress to be shown."""


class Emptied(Exception):
    """Where the documents were, there is another folder, and nothing in it: a drive is missing."""


class Updating:
    """One folder's index, and what it takes to keep it."""

    def __init__(self, folder: Path, index: Index) -> None:
        self._folder = folder.absolute()  # a link may lead elsewhere tomorrow
        self._index = index
        self._lock = index.path.with_suffix(".lock")
        self._tried_again = False

    async def read(
        self, progress: Progress = quietly, *, again: bool = False, sure: bool = False
    ) -> bool:
        """Returns whether this process did it: where another one is at it, that is enough.

        `again`: what could not be read is tried once more, if this process has not done so.
        The reason may be gone without a change of the file: a package was missing, or time.
        `sure`: where nothing is left, nothing is meant to be. Else raises `Emptied`.
        """
        async with alone(self._lock) as mine:
            if mine:
                await asyncio.to_thread(self._index.prepare, str(self._folder))
                place = await self._read_changed(
                    progress, again=again and not self._tried_again, sure=sure
                )
                await asyncio.to_thread(self._index.complete, place)
                self._tried_again = self._tried_again or again
            return mine

    async def _read_changed(self, progress: Progress, *, again: bool, sure: bool) -> str:
        known = await asyncio.to_thread(self._index.stamps)
        refused = await asyncio.to_thread(self._index.refused)
        found = await asyncio.to_thread(self._look, sure=sure or not known)
        told = found.skipped.items() - refused.items()
        kept = known.keys() & found.unsure
        if new := {path: reason for path, reason in told if path not in kept}:
            await asyncio.to_thread(self._index.skip, new)
        changed = [
            path
            for path, stamp in found.documents.items()
            if known.get(path) != stamp or (again and path in refused)
        ]
        await self._read_all(changed, found, progress)
        # At last: what was renamed can be found all the time, and its vectors are not lost.
        if any(map(found.lacks, known)):
            found = await asyncio.to_thread(self._look, sure=sure)  # by now it may be back
            await asyncio.to_thread(self._index.forget, list(filter(found.lacks, known)))
        return found.place

    def _look(self, *, sure: bool) -> Found:
        found = scan(self._folder)
        if found.is_empty and not sure and found.place != self._index.place():
            raise Emptied
        return found

    async def _read_all(self, paths: Sequence[str], found: Found, progress: Progress) -> None:
        """The smallest first: what takes long keeps nobody waiting."""
        apart = Apart()
        try:
            for done, path in enumerate(sorted(paths, key=lambda path: found.documents[path].size)):
                progress("Reading", done, len(paths))
                await asyncio.to_thread(self._take, path, found.documents[path], apart)
        finally:  # also when cancelled: a reading that is under way ends with its process
            apart.close()  # here and now: what is awaited may be cancelled, too
        progress("Reading", len(paths), len(paths))

    def _take(self, path: str, stamp: Stamp, apart: Apart) -> None:
        try:
            self._index.put(path, stamp, apart.read(path, content(self._folder, path)))
        except Passing:
            pass  # the machine is short of something: what is known stays, until the next look
        except Unreadable as error:
            if not apart.closed:
                self._index.refuse(path, stamp, str(error))
        except (OSError, sqlite3.Error):
            raise  # no fault of a document
        except Exception as error:  # noqa: BLE001  whatever is in a document, the others are read
            self._index.skip({path: f"cannot be read ({type(error).__name__})"})
