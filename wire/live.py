"""Responses that live as long as their client: made and sent while it listens, then let go."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, closing, suppress

import anyio
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from stream.log import Run
from stream.patience import Patience

SEND_TIMEOUT = 20.0
"""Seconds that a client may take no bytes before it is dropped. It can resume."""


class CutOff(Exception):
    """Raised by a body that must not look complete: the connection ends without the last chunk."""


def run_headers(run: Run) -> dict[str, str]:
    """Which run a response is of, and where it can be looked at again."""
    return {
        "X-Run-Id": run.id,
        "X-Thread-Id": run.thread_id,
        "Content-Location": f"/runs/{run.id}",
    }


class LiveBody(StreamingResponse):
    """Streams a generator, one send per item, and closes it whatever happens.

    Starlette leaves a generator that is suspended in `send` to the garbage
    collector, waits for a client that takes no bytes without limit, and listens
    for its leaving only under some ASGI versions.
    """

    def __init__(
        self,
        body: AsyncGenerator[bytes, None],
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(body, media_type=media_type, headers=headers)
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await while_connected(receive, lambda: self._send(send))

    async def _send(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        async with aclosing(self._body) as body:
            await send({"type": "http.response.start", **start})
            try:
                with closing(Patience(SEND_TIMEOUT)) as patience:
                    async for chunk in body:
                        with patience:
                            await send(_more(chunk))
            except (CutOff, TimeoutError):
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _more(chunk: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": chunk, "more_body": True}


class Late(Response):
    """A response that is decided only after waiting, for as long as the client does.

    What `make` raises is handled like an exception of the endpoint itself.
    """

    def __init__(self, make: Callable[[], Awaitable[Response]]) -> None:
        super().__init__()
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def respond() -> None:
            response = await self._make()
            await response(scope, receive, send)

        await while_connected(receive, respond)


async def while_connected(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work, or leave it where it is when the client leaves."""
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_disconnect, receive, tasks.cancel_scope)
        try:
            await work()
        except Exception as error:  # noqa: BLE001  raised below, outside of an exception group
            failure = error
        tasks.cancel_scope.cancel()
    if failure:
        raise failure


async def _until_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    with suppress(Exception):  # a body over the limit: who sends that has left, too
        while (await receive())["type"] != "http.disconnect":
            pass
    scope.cancel()
