"""What stands between clients and servers: it cuts connections, and sends them elsewhere."""

import asyncio
import contextlib
import re
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Self
from urllib.parse import urlsplit

CURSOR = re.compile("^last-event-id: (.*)\r$", re.IGNORECASE | re.MULTILINE)


class Proxy:
    """Forwards bytes to `target`, which may be changed. `url` has no slash at its end."""

    def __init__(self, target: str, cuts: Iterable[int] = ()) -> None:
        """`cuts`: after how many bytes each of the first streams of events is cut off."""
        self.target = target
        self.heads: list[str] = []
        """Of the requests for events."""
        self.cuts = deque(cuts)
        self._started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        port, self._loop, self._stop = self._started.result(10)
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def cursors(self) -> list[str]:
        """Where each of those requests wants to go on; empty for the beginning."""
        return [(CURSOR.findall(head) or [""])[0] for head in self.heads]

    async def _run(self) -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        self._started.set_result((port, asyncio.get_running_loop(), stop))
        await stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            there = urlsplit(self.target)
            back, forth = await asyncio.open_connection(there.hostname, there.port)
            with contextlib.closing(forth):
                await self._forward(reader, writer, back, forth)

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamReader,
        forth: asyncio.StreamWriter,
    ) -> None:
        """Until one of the two ends it, or it is cut."""
        left: list[int] = []

        async def asks() -> None:
            while data := await reader.read(65536):
                if b"/events" in data:
                    self.heads.append(data.decode())
                    left[:] = [self.cuts.popleft()] if self.cuts else []
                forth.write(data)

        async def answers() -> None:
            while data := await back.read(65536):
                piece = data[: left[0]] if left else data
                writer.write(piece)
                await writer.drain()
                if left:
                    left[0] -= len(piece)
                    if left[0] == 0:
                        return

        ways = {asyncio.create_task(asks()), asyncio.create_task(answers())}
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
