"""Conversations in PostgreSQL: connections that give up in time, and come back by themselves."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any, TypeVar

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection, ProgrammingError
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg.waiting import wait_async
from psycopg_pool import AsyncConnectionPool

CONNECTIONS = 8
PATIENCE = 3.0
"""Seconds for a connection to be made or to be free, and for each answer of the server."""

_Result = TypeVar("_Result")


class UnreadableAddress(ValueError):
    """It does not say which: what libpq would tell of it may be a piece of the password."""


def check_address(address: str) -> None:
    """Raises `UnreadableAddress`. Whether somebody is there is another question."""
    try:
        ports = str(conninfo_to_dict(address).get("port", "0")).split(",")
    except ProgrammingError:
        raise UnreadableAddress from None
    if not all(port.isdecimal() for port in ports if port):
        raise UnreadableAddress


@asynccontextmanager
async def open_postgres(address: str) -> AsyncIterator[AsyncPostgresSaver]:
    """Opens also when the database is not there yet."""
    pool = AsyncConnectionPool(
        address,
        connection_class=_Connection,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "prepare_threshold": None,  # a pooler in between may give each statement another server
            "connect_timeout": math.ceil(PATIENCE),
            "application_name": "lastword",
        },
        min_size=1,
        max_size=CONNECTIONS,
        open=False,
        configure=_set_up,
        check=AsyncConnectionPool.check_connection,  # the server may have been restarted
        timeout=PATIENCE,
        reconnect_timeout=PATIENCE,  # then whoever asks next is the next attempt
        name="conversations",
    )
    await pool.open()
    try:
        yield _Saver(pool)
    finally:
        await pool.close(timeout=1.0)


class _Connection(AsyncConnection[DictRow]):
    """One that is closed when it does not answer in time, or nobody waits for the answer.

    psycopg itself would cancel the statement, and for ten seconds wait for a server that is gone.
    """

    async def wait(
        self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None
    ) -> _Result:
        try:
            async with asyncio.timeout(PATIENCE if timeout is None else timeout):
                return await wait_async(gen, self.pgconn.socket, interval)
        except BaseException:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class _Saver(AsyncPostgresSaver):
    """Its own lock is for a single connection: it would keep the others of the pool idle."""

    def __init__(self, connections: AsyncConnection[DictRow] | AsyncConnectionPool[Any]) -> None:
        super().__init__(connections)
        # Who makes an index concurrently cannot do it in a transaction, and waits for all others.
        self.MIGRATIONS = [each.replace(" CONCURRENTLY", "") for each in self.MIGRATIONS]
        self.lock = nullcontext()  # type: ignore[assignment]  # the library only enters and leaves it


async def _set_up(connection: AsyncConnection[DictRow]) -> None:
    """Make the tables where there are none: one process at a time, all or nothing."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('lastword'))")
        await _Saver(connection).setup()
    # Else a statement that waits for a lock would stay there after its connection was closed.
    await connection.execute(f"SET statement_timeout = {int(PATIENCE * 1000)}")
