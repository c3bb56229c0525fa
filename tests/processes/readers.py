"""Crowds that follow one run: those who read nothing, and those who read all."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import aiohttp
import redis

from tests.processes.servers import TIMEOUT, Server
from tests.wire.helpers import EVENTS, Client

MIB = 2**20
BEGUN = "Once upon a time "
"""The first piece of the answer: who has it is following."""
SMALL = 4096
"""Bytes of a receive buffer, which Linux doubles."""


def memory(server: Server) -> int:
    """Bytes that the process itself holds: the buffers of its sockets are the kernel's."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def kernel() -> int:
    """Bytes that the kernel holds in the buffers of all TCP sockets of this machine."""
    pages = Path("/proc/net/sockstat").read_text().partition("TCP:")[2].split()[9]
    return int(pages) * resource.getpagesize()


def sockets(server: Server) -> int:
    """How many are open, the listening one and those to Redis and the model included."""
    count = 0
    for file in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since they were listed
            count += str(file.readlink()).startswith("socket:")
    return count


@contextmanager
def many_sockets(number: int) -> Iterator[None]:
    """Allow them, to this process and to those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = number + 512
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), max(hard, enough)))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def not_reading(
    server: Server, run_id: str, number: int, until: str = "\r\n\r\n"
) -> Iterator[list[Client]]:
    """Clients that follow from the start, read up to something, and then nothing more."""
    path = f"/runs/{run_id}/events"
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                Client(server, EVENTS, method="GET", path=path, receive_buffer=SMALL)  # type: ignore[arg-type]  all it wants is the address
            )
            for _ in range(number)
        ]
        for client in clients:
            client.read_until(until.encode())
        yield clients


ARRIVING = 50


class Crowd:
    """Clients that follow a run to its end, all in one event loop. `ARRIVING` come at a time."""

    def __init__(self, server: Server, run_id: str, number: int) -> None:
        self._url = f"{server.url}/runs/{run_id}/events"
        self._number = number
        self._following = 0
        self._door = asyncio.Semaphore(ARRIVING)
        self.are_all_following = asyncio.Event()

    async def read(self) -> list[bytes]:
        """What each of them got."""
        unlimited = aiohttp.TCPConnector(limit=0)
        patience = aiohttp.ClientTimeout(total=2 * TIMEOUT)
        async with aiohttp.ClientSession(connector=unlimited, timeout=patience) as session:
            return await asyncio.gather(*(self._one(session) for _ in range(self._number)))

    async def _one(self, session: aiohttp.ClientSession) -> bytes:
        await self._door.acquire()
        async with session.get(self._url, headers={"Accept": EVENTS}) as response:
            response.raise_for_status()
            received = b""
            while BEGUN.encode() not in received:
                received += (data := await response.content.readany())
                assert data, received
            self._count()
            return received + await response.read()

    def _count(self) -> None:
        self._door.release()
        self._following += 1
        if self._following == self._number:
            self.are_all_following.set()


def connections(url: str) -> int:
    """Of Lastword to this Redis."""
    with redis.Redis.from_url(url) as client:
        return sum(each["name"] == "lastword" for each in client.client_list())
