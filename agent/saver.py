"""Where conversations are kept: in a file, or in a database that several machines share."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver


def open_saver(
    folder: Path, database: str | None = None
) -> AbstractAsyncContextManager[BaseCheckpointSaver[Any]]:
    """In SQLite in this folder, unless the address of a PostgreSQL database is given."""
    if database is None:
        return AsyncSqliteSaver.from_conn_string(str(folder / "memory.sqlite"))
    from agent.postgres import open_postgres  # an extra

    return open_postgres(database)
