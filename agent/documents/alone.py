"""One process at a time: the servers of a machine share an index, and its work."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def alone(path: Path) -> AsyncIterator[bool]:
    """Whether nobody else is here. A lock of SQLite's goes with the process that has it."""
    lock = await asyncio.to_thread(_locked, path)
    try:
        yield lock is not None
    finally:
        if lock:
            await asyncio.to_thread(lock.close)


def _locked(path: Path) -> sqlite3.Connection | None:
    lock = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        lock.close()
        return None
    return lock
