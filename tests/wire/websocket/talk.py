"""A client of the socket: the `websockets` package, and frames as they come."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from tests.serving import wait_for
from tests.wire.helpers import TIMEOUT

Frame = dict[str, Any]
LAST = ("end", "failed", "error", "over", "left")
"""After these there is nothing more of what was asked for."""


class Serving(Protocol):
    """A server, wherever it runs."""

    @property
    def url(self) -> str: ...


class Talk:
    """One socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def hear(self) -> Frame:
        async with asyncio.timeout(TIMEOUT):
            frame: Frame = json.loads(await self.connection.recv())
        return frame

    async def heard(self) -> AsyncIterator[Frame]:
        """All frames until the connection is lost."""
        with suppress(ConnectionClosedError):
            while True:
                yield await self.hear()

    async def hear_until(self, *kinds: str) -> list[Frame]:
        """All frames up to the first of these kinds."""
        heard = [await self.hear()]
        while heard[-1]["type"] not in kinds:
            heard.append(await self.hear())
        return heard

    async def ask(self, text: str = "hi", **fields: Any) -> list[Frame]:
        """All that is said until the answer is over."""
        await self.say("ask", text=text, **fields)
        return await self.hear_until(*LAST)

    async def begin(self, **fields: Any) -> str:
        """Ask, and return the id of the run that has begun."""
        await self.say("ask", **{"text": "hi", **fields})
        start = await self.hear()
        assert start["type"] == "start", start
        run_id: str = start["run_id"]
        return run_id

    async def closed(self) -> int:
        """The code that the server closes with, whatever it says before."""
        async with asyncio.timeout(TIMEOUT):
            await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code


@asynccontextmanager
async def talking(
    lastword: Serving, key: str = "", path: str = "/ws", name: str = "127.0.0.1", **options: Any
) -> AsyncIterator[Talk]:
    """`name` is what the server is called by; it is where it is."""
    port = urlsplit(lastword.url).port
    if key:
        options["additional_headers"] = {"Authorization": f"Bearer {key}"}
    options = {"host": "127.0.0.1", "proxy": None, "open_timeout": TIMEOUT, **options}
    async with connect(f"ws://{name}:{port}{path}", **options) as connection:
        yield Talk(connection)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for it, while the socket is listened to."""
    await asyncio.to_thread(wait_for, condition, 40)  # longer than any closing takes


def answer_of(frames: list[Frame]) -> str:
    return "".join(frame["text"] for frame in frames if frame["type"] == "delta")


def kinds(frames: list[Frame]) -> list[str]:
    return [frame["type"] for frame in frames]
