"""The index: passages in SQLite, found by BM25 in its own full-text search.

It can be made again from the documents at any time, so one that is broken, or that another version
made, is thrown away. Everything here blocks: call it in threads.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.documents.block import SEPARATOR, Block, in_one_line, title_of
from agent.documents.files import Stamp
from agent.documents.passage import Passage
from agent.documents.words import asked, terms

VERSION = "5"
"""To be raised whenever the same documents would give another index."""
PATIENCE = 2.0
"""Seconds that a lock is waited for. Of our own processes one at a time writes, and never long."""
TOGETHER = 100
"""Documents that are forgotten in one go."""
_WEIGHTS = "1.0, 1.0, 0.5"
"""Of a term in the title, of one in the text, of a word's beginning, which tells less."""
_TABLES = ("about", "files", "passages", "terms")
_SCHEMA = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    """CREATE TABLE files (
        path TEXT PRIMARY KEY, modified INTEGER, size INTEGER, changed INTEGER, unreadable TEXT
    ) WITHOUT ROWID""",
    """CREATE TABLE passages (
        id INTEGER PRIMARY KEY, path TEXT, title TEXT, location TEXT, text TEXT,
        digest BLOB, vector BLOB
    )""",
    "CREATE INDEX passages_of ON passages (path)",
    "CREATE INDEX passages_like ON passages (digest)",
    "CREATE INDEX without_vector ON passages (id) WHERE vector IS NULL",
    """CREATE VIRTUAL TABLE terms USING fts5 (
        title, words, stems, tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
    )""",
)
_ADD = """
    INSERT INTO passages (path, title, location, text, digest, vector) VALUES (?1, ?2, ?3, ?4, ?5,
        (SELECT vector FROM passages WHERE digest = ?5 AND vector NOT NULL LIMIT 1)
    )
"""
_REFUSED = "SELECT path, unreadable FROM files WHERE unreadable NOT NULL ORDER BY path"


class Size(NamedTuple):
    documents: int
    passages: int
    unreadable: dict[str, str]
    """Paths of files, and why they cannot be read."""


class Index:
    """The passages of one folder's documents."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, folder: str) -> None:
        """Begin anew unless it is this version's index of this folder."""
        try:
            self._begin(folder)
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
            self.discard()  # it is none, or no longer
            self._begin(folder)

    def discard(self) -> None:
        """It is broken: it will be made again."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _begin(self, folder: str) -> None:
        mine = {"version": VERSION, "folder": folder}
        with self.open() as connection:
            if _about(connection).items() >= mine.items():
                return
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")  # others may be reading it
            for name in _TABLES:
                connection.execute(f"DROP TABLE IF EXISTS {name}")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.executemany("INSERT INTO about VALUES (?, ?)", mine.items())

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """All or nothing of what is done in it."""
        with closing(connect(self.path)) as connection, connection:
            yield connection

    def stamps(self) -> dict[str, Stamp]:
        """Of all that is known, what could not be read included."""
        with self.open() as connection:
            rows = connection.execute("SELECT path, modified, size, changed FROM files")
            return {path: Stamp(*stamp) for path, *stamp in rows}

    def refused(self) -> dict[str, str]:
        """What could not be read, and why."""
        with self.open() as connection:
            return dict(connection.execute(_REFUSED))

    def put(self, path: str, stamp: Stamp, blocks: Iterable[Block]) -> None:
        """What is in a document, instead of what was."""
        with self.open() as connection:
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM passages").fetchone()
            for block in blocks:
                _add(connection, path, block)
            _forget(connection, path, last)  # after that: vectors of what stays as it was are kept
            connection.execute("INSERT INTO files VALUES (?, ?, ?, ?, NULL)", (path, *stamp))

    def skip(self, reasons: dict[str, str]) -> None:
        """What is not to be read, whatever was there before."""
        with self.open() as connection:
            for path, reason in reasons.items():
                _forget(connection, path)
                connection.execute("INSERT INTO files VALUES (?, 0, 0, 0, ?)", (path, reason))

    def refuse(self, path: str, stamp: Stamp, reason: str) -> None:
        """A document that cannot be read; it is not tried again until it changes."""
        with self.open() as connection:
            _forget(connection, path)
            connection.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", (path, *stamp, reason))

    def forget(self, paths: Iterable[str]) -> None:
        """A few at once: who else writes does not wait for all of them."""
        left = list(paths)
        while few := left[-TOGETHER:]:
            del left[-TOGETHER:]
            with self.open() as connection:
                for path in few:
                    _forget(connection, path)

    def is_complete(self) -> bool:
        with self.open() as connection:
            return is_read(connection)

    def place(self) -> str | None:
        """Where all documents were read the last time."""
        with self.open() as connection:
            return _about(connection).get("read")

    def complete(self, place: str) -> None:
        """All documents have been read."""
        if self.place() != place:
            with self.open() as connection:
                connection.execute("REPLACE INTO about VALUES ('read', ?)", (place,))

    def size(self) -> Size:
        with self.open() as connection:
            if not is_there(connection):
                return Size(0, 0, {})
            unreadable = dict(connection.execute(_REFUSED))
            (files,) = connection.execute("SELECT count(*) FROM files").fetchone()
            (passages,) = connection.execute("SELECT count(*) FROM passages").fetchone()
        return Size(files - len(unreadable), passages, unreadable)


def _about(connection: sqlite3.Connection) -> dict[str, str]:
    if not is_there(connection):
        return {}
    return dict(connection.execute("SELECT name, value FROM about"))


def is_broken(error: Exception) -> bool:
    """Whether the index is to blame, and not a lock or a full disk."""
    broken = isinstance(error, sqlite3.DatabaseError)
    return broken and not isinstance(error, sqlite3.OperationalError)


def is_held(error: Exception) -> bool:
    """Whether another process has locked the index."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_read(connection: sqlite3.Connection) -> bool:
    """Whether all documents were read once: what is not found, is not there."""
    return "read" in _about(connection)


def is_there(connection: sqlite3.Connection) -> bool:
    """Whether there is an index: another process may be just about to make it."""
    found = "SELECT count(*) FROM sqlite_master WHERE name = 'about'"
    return bool(connection.execute(found).fetchone()[0])


def connect(path: Path) -> sqlite3.Connection:
    """For any thread, one after the other. It waits a little for who else is writing."""
    return sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)


def ranked(connection: sqlite3.Connection, question: str, limit: int) -> dict[int, float]:
    """The best passages' ids with their scores by BM25, best first."""
    if not (query := _query(question)):
        return {}
    rows = connection.execute(
        f"SELECT rowid, -bm25(terms, {_WEIGHTS}) AS score FROM terms "  # noqa: S608  the weights are a constant of this file
        "WHERE terms MATCH ? ORDER BY score DESC, rowid LIMIT ?",
        (query, limit),
    )
    return dict(rows.fetchall())


def passages(connection: sqlite3.Connection, scores: dict[int, float]) -> list[Passage]:
    """The passages of these ids, in this order."""
    found = (
        (connection.execute(_PASSAGE, (number,)).fetchone(), score)
        for number, score in scores.items()
    )
    return [Passage(row[0], row[1], row[2], score) for row, score in found if row]


_PASSAGE = "SELECT title, location, text FROM passages WHERE id = ?"


def _query(question: str) -> str:
    """Each term is quoted, and holds nothing but letters and digits: no syntax comes through."""
    words, stems = asked(question)
    every = [*_quoted("{title words}", words), *_quoted("stems", stems)]
    return " OR ".join(every)


def _quoted(columns: str, found: Sequence[str]) -> Iterator[str]:
    return (f'{columns} : "{term}"' for term in found)


def _add(connection: sqlite3.Connection, path: str, block: Block) -> None:
    """With the vector of a passage that says the same, wherever it stands."""
    name = path.rpartition("/")[2]
    title = SEPARATOR.join(dict.fromkeys(block.titles)) or title_of(name)
    location = in_one_line(f"{path}#{block.place}" if block.place else path)
    digest = hashlib.blake2b(f"{title}\n{block.text}".encode(), digest_size=16).digest()
    row = connection.execute(_ADD, (path, title, location, block.text, digest))
    named, (words, stems) = terms(f"{title} {name}"), terms(block.text)
    columns = (" ".join(each) for each in (named.words, words, [*named.stems, *stems]))
    connection.execute(
        "INSERT INTO terms (rowid, title, words, stems) VALUES (?, ?, ?, ?)",
        (row.lastrowid, *columns),
    )


def _forget(connection: sqlite3.Connection, path: str, last: int = 2**63 - 1) -> None:
    """A document, its passages up to the `last` one."""
    connection.execute(
        "DELETE FROM terms WHERE rowid IN (SELECT id FROM passages WHERE path = ? AND id <= ?)",
        (path, last),
    )
    connection.execute("DELETE FROM passages WHERE path = ? AND id <= ?", (path, last))
    connection.execute("DELETE FROM files WHERE path = ?", (path,))
