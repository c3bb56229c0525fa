"""Responses that live as long as their client, without a network: the order of things is ours."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import requests
from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from tests.serving import Lastword
from tests.wire.helpers import TIMEOUT
from wire import live
from wire.live import CutOff, Late, LiveBody, while_connected

pytestmark = pytest.mark.anyio


class Connection:
    """A client of the ASGI kind: it leaves when told, and may take nothing."""

    def __init__(self, *, takes: float = float("inf")) -> None:
        self.sent: list[Any] = []
        self._takes = takes
        self.left = asyncio.Event()
        self._asked = False

    async def receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if len(self.sent) >= self._takes:
            await asyncio.Event().wait()
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def complete(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is False


class Body:
    """A generator that knows whether it was closed."""

    def __init__(self, *pieces: bytes, then: BaseException | None = None) -> None:
        self._pieces, self._then = pieces, then
        self.closed = False

    async def stream(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                yield piece
            if self._then:
                raise self._then
        finally:
            self.closed = True


async def respond(response: Response, connection: Connection) -> None:
    await asyncio.wait_for(response({"type": "http"}, connection.receive, connection.send), 10)


async def test_a_body_is_sent_piece_by_piece_and_closed():
    body, connection = Body(b"a", b"b"), Connection()
    await respond(LiveBody(body.stream(), "text/plain", {"X-Run-Id": "7"}), connection)
    start, *pieces = connection.sent
    assert start["type"] == "http.response.start"
    assert (b"x-run-id", b"7") in start["headers"]
    assert [piece["body"] for piece in pieces] == [b"a", b"b", b""]
    assert connection.complete
    assert body.closed


async def test_a_body_that_was_cut_off_does_not_look_complete():
    body, connection = Body(b"a", then=CutOff()), Connection()
    await respond(LiveBody(body.stream(), "text/plain"), connection)
    assert (connection.body, connection.complete, body.closed) == (b"a", False, True)


async def test_a_body_that_fails_says_so_to_the_server():
    body, connection = Body(b"a", then=KeyError("x")), Connection()
    with pytest.raises(KeyError):
        await respond(LiveBody(body.stream(), "text/plain"), connection)
    assert not connection.complete
    assert body.closed


async def test_a_client_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "SEND_TIMEOUT", 0.01)
    body, connection = Body(b"a", b"b", b"c"), Connection(takes=2)
    await respond(LiveBody(body.stream(), "text/plain"), connection)
    assert (connection.body, connection.complete, body.closed) == (b"a", False, True)


@pytest.mark.parametrize("wrapped", [False, True], ids=["at once", "late"])
async def test_a_client_that_leaves_ends_the_body(wrapped: bool):
    connection, closed = Connection(), asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            yield b"a"
            connection.left.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def make() -> Response:
        return LiveBody(endless(), "text/plain")

    await respond(Late(make) if wrapped else await make(), connection)
    assert (connection.body, connection.complete) == (b"a", False)
    assert closed.is_set()


async def test_a_client_that_leaves_early_gets_nothing():
    connection, cancelled = Connection(), asyncio.Event()

    async def never() -> Response:
        connection.left.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    await respond(Late(never), connection)
    assert connection.sent == []
    assert cancelled.is_set()


async def test_what_is_late_is_sent_as_it_is():
    async def make() -> Response:
        return PlainTextResponse("late", 418)

    connection = Connection()
    await respond(Late(make), connection)
    assert (connection.sent[0]["status"], connection.body) == (418, b"late")


async def test_failures_come_out_as_they_are():
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):  # and no group of exceptions
        await while_connected(Connection().receive, fail)


async def test_who_is_cancelled_from_outside_stays_cancelled():
    task = asyncio.ensure_future(
        while_connected(Connection().receive, lambda: asyncio.Event().wait())  # type: ignore[arg-type,return-value]
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# A bug of ours


def test_a_bug_is_told_without_its_words(lastword: Lastword):
    router = APIRouter()

    @router.get("/bug")
    async def bug() -> None:
        raise RuntimeError("/etc/secret")

    lastword.app.include_router(router)
    answer = requests.get(lastword.url + "/bug", timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
