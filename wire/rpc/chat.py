"""`lastword.v1.Chat`: ask, resume, cancel. Reads the same log as every wire."""

from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Final
from urllib.parse import unquote

from agent.runner import Runner
from stream.errors import Gone, from_event
from stream.events import RunFailed
from stream.log import START, Cursor, Run
from stream.patience import Patience
from wire import live
from wire.access import Access
from wire.append_only import AppendOnly
from wire.rpc.encoder import Encoder
from wire.rpc.lastword.v1.chat_pb2 import (
    Answer,
    CancelRequest,
    CancelResponse,
    ResumeRequest,
    SendRequest,
)
from wire.rpc.request import as_run, extras
from wire.rpc.status import Context, Slow

SERVICE: Final = "lastword.v1.Chat"


class Chat:
    """The methods of the service. Each call's work is its own task: it ends with the call."""

    def __init__(
        self, runner: Runner, access: Access, append_only: Callable[[], AppendOnly] = AppendOnly
    ) -> None:
        self._runner = runner
        self._access = access
        self._append_only = append_only

    async def send(self, request: SendRequest, context: Context) -> None:
        principal = self._principal(context)
        run = await self._runner.start(as_run(request), principal=principal)
        await self._tell(run, START, Encoder(extras(request), self._append_only), context)

    async def resume(self, request: ResumeRequest, context: Context) -> None:
        principal = self._principal(context)
        run = await self._runner.find(request.run_id, principal=principal)
        after = Cursor(request.after or START)
        begin = await self._beginning(run, after)
        encoder = Encoder(extras(request), self._append_only, after)
        await self._tell(run, begin, encoder, context)

    async def cancel(self, request: CancelRequest, context: Context) -> CancelResponse:
        await self._runner.cancel(request.run_id, principal=self._principal(context))
        return CancelResponse()

    async def _beginning(self, run: Run, after: Cursor) -> Cursor:
        """Where to read from to know what was held at a cursor: as far back as is kept.

        Raises `BadRequest`, `Gone` for a cursor that nobody can go on from.
        """
        await self._runner.is_over(run.id, after, principal=run.principal)
        try:
            await self._runner.is_over(run.id, START, principal=run.principal)
        except Gone:
            return after
        return START

    async def _tell(self, run: Run, begin: Cursor, encoder: Encoder, context: Context) -> None:
        """Raises what the run failed with, and `Slow`."""
        batches = self._runner.follow(run.id, begin, principal=run.principal)
        async with aclosing(batches):
            with closing(Patience(live.SEND_TIMEOUT)) as patience:
                named = False
                async for batch in batches:
                    if not named:  # only now: the run has its reader, should the client leave
                        await context.send_initial_metadata(_names(run))
                        named = True
                    for answer in encoder.encode(batch):
                        await _write(context, answer, patience)
                    if batch and isinstance(end := batch[-1].event, RunFailed):
                        raise from_event(end)

    def _principal(self, context: Context) -> str:
        metadata = dict(context.invocation_metadata() or ())
        key = metadata.get("authorization", "")
        return self._access.caller(str(key), _address(context.peer()))


async def _write(context: Context, answer: Answer, patience: Patience) -> None:
    try:
        with patience:
            await context.write(answer)
    except TimeoutError:
        raise Slow from None


def _names(run: Run) -> tuple[tuple[str, str], ...]:
    return ("x-run-id", run.id), ("x-thread-id", run.thread_id)


def _address(peer: str) -> str:
    """Of `ipv4:127.0.0.1:50000` or `ipv6:%5B::1%5D:50000`, as gRPC writes them."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
