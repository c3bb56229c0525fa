"""Every place for conversations by name: the whole contract is checked for each."""

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from agent.memory import WINDOW, Memory
from agent.saver import open_saver
from tests.postgres_server import shared_postgres


class Place(ABC):
    """Where a memory is opened, and a hand in what it keeps there."""

    tables: tuple[str, ...]
    address: str | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @asynccontextmanager
    async def open(self, window: int = WINDOW) -> AsyncIterator[Memory]:
        async with open_saver(self.folder, self.address) as saver:
            yield Memory(saver, window)

    @abstractmethod
    def run(self, statement: str, *values: Any) -> list[Any]: ...

    @abstractmethod
    def overwrite(self, values: Any) -> None:
        """As if each thread had been written with these channel values."""

    def rows(self) -> dict[str, int]:
        counts = {name: self.run(f"SELECT count(*) FROM {name}")[0][0] for name in self.tables}
        return {name: count for name, count in counts.items() if count}

    def drop_tables(self) -> None:
        for name in self.tables:
            self.run(f"DROP TABLE {name}")


class Sqlite(Place):
    tables = ("checkpoints", "writes")

    def run(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "memory.sqlite")) as database, database:
            return database.execute(statement, values).fetchall()

    def overwrite(self, values: Any) -> None:
        checkpoint = {
            "v": 4,
            "id": "x",
            "ts": "",
            "channel_values": values,
            "channel_versions": {},
            "versions_seen": {},
        }
        written = json.dumps(checkpoint)
        self.run("UPDATE checkpoints SET type = 'json', checkpoint = ?", written)


class Postgres(Place):
    tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = shared_postgres()
        self.server.empty()
        self.address = self.server.address

    def run(self, statement: str, *values: Any) -> list[Any]:
        return self.server.run(statement, *values)

    def overwrite(self, values: Any) -> None:
        change = "UPDATE checkpoints SET checkpoint = jsonb_set(checkpoint, '{channel_values}', %s)"
        self.run(change, json.dumps(values))


PLACES: dict[str, Callable[[Path], Place]] = {"sqlite": Sqlite, "postgres": Postgres}
