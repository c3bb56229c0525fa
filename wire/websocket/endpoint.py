"""`/ws`: a conversation in JSON frames, with several runs at a time on one socket."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing, closing, suppress
from typing import Any, assert_never, cast

import anyio
from fastapi import APIRouter
from starlette.exceptions import WebSocketException
from starlette.websockets import WebSocket, WebSocketDisconnect

from agent.runner import Runner
from stream.errors import Conflict, LastwordError
from stream.log import START, Cursor
from stream.patience import Patience
from wire import live
from wire.access import Principal
from wire.bounded_socket import GOING_DOWN, MAX_FRAME, POLICY_VIOLATION
from wire.websocket.frames import FrameEncoder, WholeEncoder, error_frame, frame, frames
from wire.websocket.requests import (
    Ask,
    Cancel,
    Leave,
    Ping,
    Resume,
    SocketRequest,
    decoded,
    subject,
    understood,
)

SUBPROTOCOL = "lastword"
MAX_AT_ONCE = 32
"""Runs that a socket follows; and runs that it waits for to be cancelled."""
MAX_WAITING = 8
"""Batches that wait to be sent. More slow down their readers, and nobody else."""
CLOSING = 2.0
"""Seconds for a closing frame, which those who take nothing do not get."""
UNSUPPORTED, TOO_LARGE, SERVICE_RESTART = 1003, 1009, 1012

router = APIRouter()


@router.websocket("/ws")
async def ws(websocket: WebSocket, principal: Principal) -> None:
    """Ask, resume, cancel and leave in frames. Each of the server's says which run it is of."""
    offered = websocket.scope["subprotocols"]
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    await _Socket(websocket, principal).serve()


class _Socket:
    """One connection: a reader, a writer, and a task for each run that is followed."""

    def __init__(self, websocket: WebSocket, principal: str) -> None:
        self._websocket = websocket
        self._runner: Runner = websocket.app.state.runner
        self._principal = principal
        told = websocket.scope["extensions"].get(GOING_DOWN, {"event": asyncio.Event()})
        self._going_down: asyncio.Event = told["event"]
        self._outgoing: asyncio.Queue[list[str]] = asyncio.Queue(MAX_WAITING)
        self._follows: dict[asyncio.Task[None], str] = {}
        """By whom a run is followed; "" until a question has its run."""
        self._cancels: dict[asyncio.Task[None], str] = {}

    async def serve(self) -> None:
        """Until the client leaves or takes nothing, is refused, or the server has gone down."""
        async with asyncio.TaskGroup() as self._tasks:
            ways = [self._tasks.create_task(way()) for way in (self._read, self._write, self._last)]
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for task in (*ways, *self._follows, *self._cancels):
                task.cancel()
        if why := done.pop().result():
            with suppress(WebSocketDisconnect), anyio.move_on_after(CLOSING):
                await self._websocket.close(why.code, why.reason)

    async def _read(self) -> WebSocketException | None:
        """Do as the client says until it leaves. Returns what the socket is to be closed with."""
        try:
            while (message := await self._websocket.receive())["type"] == "websocket.receive":
                await self._hear(message.get("text"))
        except WebSocketException as abuse:
            return abuse
        return None

    async def _last(self) -> WebSocketException:
        """When the server goes down, wait until it is told how the runs ended."""
        await self._going_down.wait()
        while self._follows:
            await asyncio.wait(self._follows)
        await self._outgoing.join()
        return WebSocketException(SERVICE_RESTART)

    async def _write(self) -> None:
        """Send what there is, until the client has taken nothing for too long."""
        patience = Patience(live.SEND_TIMEOUT)
        with closing(patience), suppress(TimeoutError, WebSocketDisconnect):
            while True:
                for text in await self._outgoing.get():
                    with patience:
                        await self._websocket.send_text(text)
                self._outgoing.task_done()

    async def _hear(self, text: str | None) -> None:
        if text is None:
            raise WebSocketException(UNSUPPORTED, "Frames are JSON text.")
        if len(text) > MAX_FRAME:
            raise WebSocketException(TOO_LARGE, "The frame is too large.")
        about: dict[str, str] = {}
        try:
            given = decoded(text)
            about = subject(given)
            await self._begin(understood(given), about)
        except LastwordError as error:
            await self._say(error_frame(error, about))

    async def _begin(self, request: SocketRequest, about: dict[str, str]) -> None:
        """What takes time is done beside the reader, which must hear what comes next."""
        match request:
            case Ask():
                self._spawn(self._follows, "", self._answer(request, about))
            case Resume(run_id=run_id):
                if run_id in self._follows.values():
                    raise Conflict("This socket follows the run already.")
                self._spawn(self._follows, run_id, self._answer(request, about))
            case Cancel(run_id=run_id):
                self._spawn(self._cancels, run_id, self._answer(request, about))
            case Leave(run_id=run_id):
                self._leave(run_id)
                await self._say(frame("left", about))
            case Ping():
                await self._say(frame("pong", about))
            case _:
                assert_never(request)

    def _spawn(
        self, kind: dict[asyncio.Task[None], str], run_id: str, work: Coroutine[Any, Any, None]
    ) -> None:
        if len(kind) >= MAX_AT_ONCE:
            work.close()
            raise WebSocketException(POLICY_VIOLATION, "Too many runs at once.")
        task = self._tasks.create_task(work)
        kind[task] = run_id
        task.add_done_callback(lambda _: kind.pop(task, None))

    def _leave(self, run_id: str) -> None:
        for task in [each for each, followed in self._follows.items() if followed == run_id]:
            del self._follows[task]
            task.cancel()

    async def _answer(self, request: Ask | Resume | Cancel, about: dict[str, str]) -> None:
        try:
            match request:
                case Ask():
                    await self._ask(request)
                case Resume(run_id=run_id, after=after):
                    encoder = FrameEncoder(run_id, request.include)
                    if not await self._follow(run_id, Cursor(after), encoder):
                        await self._say(frame("over", about))
                case Cancel(run_id=run_id):
                    await self._runner.cancel(run_id, principal=self._principal)
                    await self._say(frame("over", about))
                case _:
                    assert_never(request)
        except LastwordError as error:
            await self._say(error_frame(error, about))

    async def _ask(self, request: Ask) -> None:
        run = await self._runner.start(request.as_run(), principal=self._principal)
        self._follows[cast("asyncio.Task[None]", asyncio.current_task())] = run.id
        encoder = FrameEncoder if request.stream else WholeEncoder
        await self._follow(run.id, START, encoder(run.id, request.include, request.id))

    async def _follow(self, run_id: str, after: Cursor, encoder: FrameEncoder) -> bool:
        """Returns whether there was anything to tell."""
        told = False
        batches = self._runner.follow(run_id, after, principal=self._principal)
        async with aclosing(frames(batches, encoder)) as encoded:
            async for texts in encoded:
                told = True
                await self._outgoing.put(texts)
        return told

    async def _say(self, text: str) -> None:
        await self._outgoing.put([text])
