"""Conversations in PostgreSQL, beside what every memory promises: it is shared, slow, or gone."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from blockbuster import blockbuster_ctx
from psycopg import AsyncConnection

from agent import memory, postgres
from agent.memory import Exchange, Memory
from agent.postgres import UnreadableAddress, check_address, open_postgres
from stream.errors import StorageLost
from tests.agent.running import until
from tests.commands import TIMEOUT
from tests.postgres_server import PASSWORD, PostgresServer, shared_postgres
from tests.serving import serving, wait_for
from tests.wire.helpers import JSON

pytestmark = pytest.mark.anyio
KEPT = Exchange("Hi?", "Ho.")


@pytest.fixture
def server() -> PostgresServer:
    """Nobody has used it."""
    server = shared_postgres()
    server.empty()
    return server


@contextmanager
def hurry() -> Iterator[None]:
    """What gives up does so soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "PATIENCE", 0.5)
        patch.setattr(memory, "PATIENCE", 1.0)
        yield


@pytest.fixture
async def kept(server: PostgresServer, anyio_backend: str) -> AsyncIterator[Memory]:
    with blockbuster_ctx("agent"):
        async with open_postgres(server.address) as saver:
            kept = Memory(saver)
            await kept.add("me", "t", KEPT)
            yield kept


async def come_back(kept: Memory, expected: list[Exchange]) -> None:
    """Wait until it answers again. Nobody has to do anything for it."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            with suppress(StorageLost):
                assert await kept.load("me", "t") == expected
                return


@asynccontextmanager
async def locked(server: PostgresServer) -> AsyncIterator[None]:
    """Every statement about a conversation must wait."""
    async with await AsyncConnection.connect(server.address) as connection:
        await connection.execute("LOCK TABLE checkpoints")
        yield


def waiting(server: PostgresServer) -> int:
    """Statements that do."""
    found = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    count: int = server.run(found)[0][0]
    return count


async def test_several_servers_begin_on_an_empty_database(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        savers = [await stack.enter_async_context(open_postgres(server.address)) for _ in range(5)]
        memories = [Memory(saver) for saver in savers]
        await asyncio.gather(*(each.add("me", str(n), KEPT) for n, each in enumerate(memories)))
        for n in range(5):
            assert await memories[n - 1].load("me", str(n)) == [KEPT]
    assert caplog.messages == []


async def test_as_many_at_once_as_there_are_connections(
    kept: Memory, server: PostgresServer
) -> None:
    async with asyncio.TaskGroup() as tasks, locked(server):
        for n in range(100):
            tasks.create_task(kept.add("me", str(n), KEPT))
        await until(lambda: waiting(server) == postgres.CONNECTIONS)
    assert server.run("SELECT count(*) FROM checkpoints") == [(101,)]


async def test_a_server_that_is_away_at_the_start(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        with server.away(), hurry():
            saver = await stack.enter_async_context(open_postgres(server.address))
            with pytest.raises(StorageLost):
                await Memory(saver).add("me", "t", KEPT)
        await come_back(Memory(saver), [])
    assert PASSWORD not in caplog.text


async def test_a_server_that_is_restarted(kept: Memory, server: PostgresServer) -> None:
    with server.away():
        pass
    await come_back(kept, [KEPT])


async def test_a_server_that_says_nothing(kept: Memory, server: PostgresServer) -> None:
    with server.frozen(), hurry():
        for attempt in (kept.load("me", "t"), kept.add("me", "t", KEPT), kept.forget("me", "t")):
            with pytest.raises(StorageLost):
                await attempt
    await come_back(kept, [KEPT])


async def test_who_stops_waiting_does_not_wait_for_the_server(
    kept: Memory, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in (postgres, memory):
        monkeypatch.setattr(patience, "PATIENCE", TIMEOUT)
    attempts = kept.load("me", "t"), kept.add("me", "t", KEPT, []), kept.forget("me", "t")
    async with locked(server):
        tasks = [asyncio.create_task(attempt) for attempt in attempts]
        await until(lambda: waiting(server) == 3)
        with server.frozen():
            for task in tasks:
                task.cancel()
            async with asyncio.timeout(TIMEOUT / 8):  # psycopg's own patience is longer
                ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 3
    assert await kept.load("me", "another") == []


async def test_a_statement_that_must_wait_is_given_up_by_both(server: PostgresServer) -> None:
    async with AsyncExitStack() as stack:
        with hurry():
            saver = await stack.enter_async_context(open_postgres(server.address))
            await come_back(Memory(saver), [])
            async with locked(server):
                with pytest.raises(StorageLost):
                    await Memory(saver).load("me", "t")
                await until(lambda: waiting(server) == 0)
        await come_back(Memory(saver), [])


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://lastword:s3%ret@/",
        "postgresql://lastword:s3cret",
        "postgresql://h:1,h:s3cret/",
        "postgresql:///?s3cret=1",
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(address: str) -> None:
    with pytest.raises(UnreadableAddress) as refused:
        check_address(address)
    assert "s3" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("hosts", ["", "h:/", "h:5432", "h:1,i:2", "[::1]:5432"])
def test_addresses_that_can_be_read(hosts: str) -> None:
    check_address(f"postgresql://u:p%40ss@{hosts}/d?sslmode=require")


# Served.


def told(answer: requests.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_two_servers_that_share_their_conversations(
    server: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And lose their database, and find it again."""
    caplog.set_level(logging.DEBUG, "lastword")

    def ask(url: str, text: str) -> requests.Response:
        asked = {"text": text, "thread_id": "t"}
        return requests.post(f"{url}/chat", json=asked, headers={"Accept": JSON}, timeout=TIMEOUT)

    settings = {"model": "offline", "database_url": server.address}
    with serving(tmp_path / "one", **settings) as one, serving(tmp_path / "two", **settings) as two:
        told(ask(one.url, "My name is Ada."))
        assert "Ada" in told(ask(two.url, "What is my name?"))["output"]
        with server.away(), hurry():
            lost = ask(one.url, "And now?")
            assert (lost.status_code, lost.json()["code"]) == (503, "storage_lost")
        wait_for(lambda: requests.get(f"{one.url}/threads/t", timeout=TIMEOUT).ok, TIMEOUT)
        assert len(told(ask(one.url, "And now?"))["chat_history"]) == 4
        assert requests.delete(f"{two.url}/threads/t", timeout=TIMEOUT).ok
        assert requests.get(f"{one.url}/threads/t", timeout=TIMEOUT).status_code == 404
    assert list(tmp_path.glob("*/*.sqlite")) == []
    assert PASSWORD not in caplog.text
