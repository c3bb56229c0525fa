"""Lastword, put together: settings -> log -> agent -> runner -> app."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module

from fastapi import FastAPI
from langchain_core.callbacks import BaseCallbackHandler

from agent import models, tuning
from agent.execution import Parts
from agent.memory import Memory
from agent.policy import Policy
from agent.runner import Runner
from agent.saver import open_saver
from agent.threads import LeftBehind
from factory import BadSetting, Made, make
from settings import PREFIX, Settings
from stream.log import StreamLog
from stream.memory import MemoryLog
from stream.queue import RunQueue
from stream.redis import open_redis_log
from wire import chat, page, runs, status
from wire.access import Access, is_loopback
from wire.ag_ui import endpoint as ag_ui
from wire.ai_sdk import endpoint as ai_sdk
from wire.app import create_app
from wire.append_only import MODES
from wire.openai import endpoint as openai
from wire.rpc.port import announce_grpc, try_port
from wire.server import let_streams_be_cut, on_signal
from wire.websocket import endpoint as websocket

ROUTERS = (
    chat.router,
    ai_sdk.router,
    ag_ui.router,
    runs.router,
    status.router,
    page.router,
    openai.router,
    websocket.router,
)
NO_QUEUE = "Workers take their runs from a queue in Redis: set REDIS_URL."


@asynccontextmanager
async def open_log(settings: Settings) -> AsyncIterator[tuple[StreamLog, RunQueue | None]]:
    """The log, and the queue of runs where there can be one."""
    if settings.redis_url is None:
        yield MemoryLog(settings.log_ttl), None
        return
    ttl, lease, restart = settings.log_ttl, settings.lease, settings.restart
    async with open_redis_log(settings.redis_url, ttl, lease, restart=restart) as log:
        yield log, log.queue


@asynccontextmanager
async def open_runner(
    settings: Settings,
    made: Made,
    callbacks: Sequence[BaseCallbackHandler] = (),
    *,
    queued: bool = False,
    performs: bool = True,
) -> AsyncIterator[Runner]:
    """Everything that a server holds open, closed again in the right order.

    `queued`: runs go through the queue, from web processes to workers, that `performs` them.
    """
    asyncio.get_running_loop().set_default_executor(LeftBehind())
    takes = await made.prepare()
    database = settings.database_url.get_secret_value() if settings.database_url else None
    async with (
        open_saver(settings.data, database) as saver,
        open_log(settings) as (log, queue),
        made.knowledge.open(searched=performs),
    ):
        parts = Parts(
            agent=made.agent,
            grammar=made.grammar,
            log=log,
            memory=Memory(saver, settings.memory_window),
            timeout=settings.run_timeout,
            callbacks=callbacks,
            embedder=made.knowledge.embedder,
            takes=takes,
        )
        policy = Policy(
            models=made.models,
            model=made.models[0] if made.model else None,
            documents=bool(made.knowledge.tools),
            max_runs=settings.max_runs,
            rate=settings.rate_limit,
            on_disconnect=settings.on_disconnect,
            heartbeat=settings.heartbeat,
            drain=settings.drain,
        )
        tuning.tune()
        async with Runner(parts, policy, queue if queued else None) as runner:
            yield runner
        if made.model:
            await models.close(made.model)


def build_app(settings: Settings, made: Made | None = None, workers: int = 1) -> FastAPI:
    made = made or make(settings)
    access = Access(
        [key.get_secret_value() for key in settings.api_keys],
        settings.cors_origins,
        anonymous=settings.anonymous,
    )

    @asynccontextmanager
    async def runner() -> AsyncIterator[Runner]:
        queued = settings.workers == "external"
        opening: AbstractAsyncContextManager[Runner] = open_runner(
            settings, made, queued=queued, performs=not queued
        )
        if settings.grpc_port is not None:
            opening = with_grpc(settings, access, opening, app, shared=workers > 1)
        hurry = made.knowledge.hurry
        with on_signal(hurry, hurry):
            async with opening as opened:
                with on_signal(opened.shut_down, opened.end_all):
                    yield opened
                    opened.shut_down()
                    await opened.drained()  # also those that nobody follows

    let_streams_be_cut()
    append_only = MODES[settings.answer_mode]
    app = create_app(ROUTERS, runner, access, settings.cors_origins, append_only)
    return app


def with_grpc(
    settings: Settings,
    access: Access,
    opening: AbstractAsyncContextManager[Runner],
    app: FastAPI,
    *,
    shared: bool,
) -> AbstractAsyncContextManager[Runner]:
    """The same runner, served by gRPC too. `shared`: other processes serve at its port."""
    from wire.rpc.server import Place, serving  # an extra

    def at_port(port: int) -> None:
        app.state.grpc_port = port
        announce_grpc(settings.host, port)

    place = Place(settings.host, settings.grpc_port or 0, shared, settings.heartbeat)
    return serving(opening, access, MODES[settings.answer_mode], place, at_port)


def require_grpc(settings: Settings, workers: int, *, alone: bool) -> None:
    """Where gRPC is asked for, it can be had. `alone`: nobody may be at its port yet."""
    if settings.grpc_port is None:
        return
    require_keys(settings)
    if workers > 1 and settings.grpc_port == 0:
        raise BadSetting(f"{PREFIX}GRPC_PORT: several workers must know which port they share.")
    try:
        import_module("wire.rpc.server")
        try_port(settings.host, settings.grpc_port, shared=not alone)
    except ImportError as error:
        raise BadSetting(
            f"{PREFIX}GRPC_PORT wants the extra `lastword[grpc]`: {error.name} is not installed."
        ) from error
    except OSError as error:
        where = f"{settings.host}, port {settings.grpc_port}"
        raise BadSetting(f"{PREFIX}GRPC_PORT: {where}: {error.strerror}.") from error


def require_keys(settings: Settings) -> None:
    if not (settings.api_keys or settings.anonymous or is_loopback(settings.host)):
        raise BadSetting(
            f"Without {PREFIX}API_KEYS anybody could use this server at {settings.host}. "
            f"Set keys, or {PREFIX}ANONYMOUS=true if that is meant."
        )


def require_shared_log(settings: Settings, workers: int) -> None:
    if workers > 1 and not settings.redis_url:
        raise BadSetting("Several workers share their runs through Redis: set REDIS_URL.")
    if settings.workers == "external" and not settings.redis_url:
        raise BadSetting(NO_QUEUE)
