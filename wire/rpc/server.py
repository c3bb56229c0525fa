"""The gRPC server: our services on a port of their own, in the loop that HTTP is served in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_reflection.v1alpha import reflection

from agent.runner import Runner
from stream.errors import BadRequest
from wire.access import Access
from wire.app import MAX_BODY
from wire.append_only import AppendOnly
from wire.rpc import chat, health
from wire.rpc.lastword.v1.chat_pb2 import CancelRequest, ResumeRequest, SendRequest
from wire.rpc.port import address
from wire.rpc.status import Context, answered

GRACE = 0.5
"""Seconds. The runs have ended by then; this is for slow clients, and for those who watch."""
MAX_CALLS = 2_000
"""At once. Whoever only watches the health service needs no key."""
PING = 10_000
"""Milliseconds that clients leave between two of their pings, at least."""
Request = TypeVar("Request")
RequestOut = TypeVar("RequestOut", covariant=True)


class Kind(Protocol[RequestOut]):
    """A class of messages."""

    def FromString(self, data: bytes, /) -> RequestOut: ...  # noqa: N802  protobuf's name


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is to be. `shared`: other processes may serve there too."""

    host: str
    port: int
    shared: bool = False
    heartbeat: float = 15.0
    """Seconds between signs of life."""


@asynccontextmanager
async def serving(
    opening: AbstractAsyncContextManager[Runner],
    access: Access,
    append_only: Callable[[], AppendOnly],
    place: Place,
    at_port: Callable[[int], object],
) -> AsyncIterator[Runner]:
    """The runner, served as long as it is open; `at_port` is told where."""
    server = grpc.aio.server(options=_options(place), maximum_concurrent_rpcs=MAX_CALLS)
    try:
        async with opening as runner:
            _install(server, runner, access, append_only)
            port = server.add_insecure_port(address(place.host, place.port))
            await server.start()
            at_port(port)
            yield runner
            runner.shut_down()
            await runner.drained()
    finally:  # not sooner: only when the runner has closed does everybody know why
        await server.stop(GRACE)


def _options(place: Place) -> list[tuple[str, int]]:
    heartbeat = min(max(place.heartbeat, 1), 3600)
    return [
        ("grpc.so_reuseport", int(place.shared)),
        ("grpc.max_receive_message_length", MAX_BODY),
        ("grpc.keepalive_time_ms", int(heartbeat * 1000)),
        ("grpc.http2.min_ping_interval_without_data_ms", PING),
    ]


def _install(
    server: grpc.aio.Server, runner: Runner, access: Access, append_only: Callable[[], AppendOnly]
) -> None:
    asked = chat.Chat(runner, access, append_only)
    checked = health.Health(runner, chat.SERVICE)
    server.add_generic_rpc_handlers((_chat(asked), _health(checked)))
    services = (chat.SERVICE, health.SERVICE, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(services, server)


def _chat(service: chat.Chat) -> "grpc.GenericRpcHandler[Any, Any]":
    methods = {
        "Send": grpc.unary_stream_rpc_method_handler(*_method(SendRequest, service.send)),
        "Resume": grpc.unary_stream_rpc_method_handler(*_method(ResumeRequest, service.resume)),
        "Cancel": grpc.unary_unary_rpc_method_handler(*_method(CancelRequest, service.cancel)),
    }
    return grpc.method_handlers_generic_handler(chat.SERVICE, methods)


def _health(service: health.Health) -> "grpc.GenericRpcHandler[Any, Any]":
    methods = {
        "Check": grpc.unary_unary_rpc_method_handler(*_method(HealthCheckRequest, service.check)),
        "Watch": grpc.unary_stream_rpc_method_handler(*_method(HealthCheckRequest, service.watch)),
    }
    return grpc.method_handlers_generic_handler(health.SERVICE, methods)


def _method(
    kind: Kind[Request], method: Callable[[Request, Context], Awaitable[Any]]
) -> tuple[Any, None, Callable[[Any], bytes]]:
    """Reads the request itself: what is none is then the client's mistake, and not ours."""

    async def call(data: bytes, context: Context) -> Any:
        async def work() -> Any:
            try:
                request = kind.FromString(data)
            except DecodeError:
                raise BadRequest("The request is no message of this method.") from None
            return await method(request, context)

        return await answered(context, work)

    return call, None, lambda message: bytes(message.SerializeToString())
