"""Lastword, put together: settings -> log -> agent -> runner -> app.

uvicorn main:app              the server, by any ASGI server
python main.py                the same, with our defaults
python main.py work           a worker, for servers with LASTWORD_WORKERS=external
python main.py chat           a conversation in the terminal
python main.py ask "..."      one answer on stdout and nothing else
python main.py index DIR      read the documents of a folder, before a server does
"""

import argparse
import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib import import_module
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple, NoReturn

from fastapi import FastAPI
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from pydantic import ValidationError

from agent import models, tuning, worker
from agent.build import build_agent, protocol_for
from agent.call_settings import HINTS
from agent.documents.embeddings import UnknownEmbeddings
from agent.documents.knowledge import Knowledge, UnknownDocuments
from agent.documents.own import UnknownRetriever
from agent.documents.report import summary
from agent.execution import Parts
from agent.load import UnknownAgent
from agent.memory import Memory
from agent.own import SETTINGS, Agent, OwnAgent
from agent.protocols.registry import PROTOCOLS, is_protocol
from agent.runner import Policy, Runner
from agent.threads import LeftBehind
from agent.tools.errors import UnknownTool
from agent.tools.named import named_tools
from callbacks.filters.base import AnswerFilter
from callbacks.filters.registry import grammar
from callbacks.stdout import RawStdoutHandler
from settings import PREFIX, Settings
from stream.log import StreamLog
from stream.memory import MemoryLog
from stream.queue import RunQueue
from stream.redis import open_redis_log
from wire import chat, page, runs, status, terminal
from wire.access import Access, is_loopback
from wire.ag_ui import endpoint as ag_ui
from wire.ai_sdk import endpoint as ai_sdk
from wire.app import create_app
from wire.append_only import MODES
from wire.openai import endpoint as openai
from wire.rpc.port import announce_grpc, try_port
from wire.server import (
    Server,
    let_streams_be_cut,
    on_signal,
    serve_with_workers,
    workers_asked_for,
)
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
DEFAULT_OWN_PROTOCOL = "message"
TAKE_HINTS = (models.OFFLINE, "openai")
"""Providers whose SDKs do not mind what they do not know."""
NO_QUEUE = "Workers take their runs from a queue in Redis: set REDIS_URL."
DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"


class BadSetting(ValueError):
    """A setting that cannot be met. The message says which, and what to do."""


class Made(NamedTuple):
    """What the settings name, made before anything is opened: a mistake is known at once."""

    agent: Agent
    grammar: Callable[[], AnswerFilter]
    models: list[str]
    """That a request may name."""
    knowledge: Knowledge
    model: BaseChatModel | None = None
    """Whose connections are ours to close."""

    async def prepare(self) -> Collection[str]:
        """Returns what a request may change. An agent that an async function makes is made now."""
        if isinstance(self.agent, OwnAgent):
            return await self.agent.prepare()
        return SETTINGS if _provider(self.models[0]) in TAKE_HINTS else SETTINGS - HINTS


def model_name(settings: Settings) -> str:
    """What is set; else what the key or the base URL gives; else the offline model."""
    if settings.model:
        return settings.model
    if settings.openai_base_url:
        return models.first_model(settings.openai_base_url, _key(settings))
    return DEFAULT_OPENAI_MODEL if settings.openai_api_key else models.OFFLINE


def make(settings: Settings) -> Made:
    """Raises `BadSetting`, `UnknownAgent`, `UnknownModel`, `UnknownTool`."""
    make_data(settings)
    return make_own(settings, settings.agent) if settings.agent else make_ours(settings)


def make_data(settings: Settings) -> None:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"{PREFIX}DATA cannot be made: {error.strerror}.") from error


def make_own(settings: Settings, name: str) -> Made:
    """One's own agent: its model, tools and limits are its own business."""
    try:
        reads = grammar(settings.protocol or DEFAULT_OWN_PROTOCOL)
    except ValueError as error:
        raise BadSetting(f"{PREFIX}PROTOCOL: {error}.") from error
    if settings.documents or settings.retriever:
        raise BadSetting(f"{PREFIX}DOCUMENTS and {PREFIX}RETRIEVER are for Lastword's own agent.")
    return Made(OwnAgent(name), reads, settings.models, make_knowledge(settings))


def make_ours(settings: Settings) -> Made:
    """The agent that the settings describe."""
    if settings.protocol and not is_protocol(settings.protocol):
        raise BadSetting(f"{PREFIX}PROTOCOL: use one of {', '.join(PROTOCOLS)}.")
    knowledge = make_knowledge(settings)
    tools = [*named_tools(settings.tools), *knowledge.tools]
    name = model_name(settings)
    if foreign := [other for other in settings.models if _provider(other) != _provider(name)]:
        raise BadSetting(f"{PREFIX}MODELS: {foreign[0]} is of another provider than {name}.")
    model = models.chat_model(
        name,
        api_key=_key(settings),
        base_url=settings.openai_base_url,
        fast_stream=settings.fast_stream,
    )
    protocol = settings.protocol or protocol_for(model)
    agent = build_agent(
        model, protocol=protocol, tools=tools, max_iterations=settings.max_iterations
    )
    return Made(agent, grammar(protocol), [name, *settings.models], knowledge, model)


def make_knowledge(settings: Settings, folder: Path | None = None) -> Knowledge:
    """What the settings name to answer from. `folder` stands in for the one that they name."""
    try:
        return Knowledge(
            settings.data,
            folder or settings.documents,
            settings.embeddings,
            None if folder else settings.retriever,
            api_key=_key(settings),
            base_url=settings.openai_base_url,
        )
    except UnknownDocuments as error:
        raise BadSetting(f"{PREFIX}DOCUMENTS: {error}") from error
    except UnknownEmbeddings as error:
        raise BadSetting(f"{PREFIX}EMBEDDINGS: {error}") from error
    except UnknownRetriever as error:
        raise BadSetting(f"{PREFIX}RETRIEVER: {error}") from error


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
) -> AsyncIterator[Runner]:
    """Everything that a server holds open, closed again in the right order.

    `queued`: runs go through the queue, from web processes to workers.
    """
    takes = await made.prepare()
    path = str(settings.data / "memory.sqlite")
    async with (
        AsyncSqliteSaver.from_conn_string(path) as saver,
        open_log(settings) as (log, queue),
        made.knowledge.open(),
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
            max_runs=settings.max_runs,
            on_disconnect=settings.on_disconnect,
            heartbeat=settings.heartbeat,
            drain=settings.drain,
        )
        tuning.tune()
        asyncio.get_running_loop().set_default_executor(LeftBehind())
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
        opening: AbstractAsyncContextManager[Runner] = open_runner(settings, made, queued=queued)
        if settings.grpc_port is not None:
            opening = with_grpc(settings, access, opening, app, shared=workers > 1)
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


def serve(settings: Settings, workers: int) -> int:
    require_keys(settings)
    require_shared_log(settings, workers)
    require_grpc(settings, workers, alone=True)
    made = make(settings)
    if workers > 1:
        serve_with_workers("main:app", settings.host, settings.port, settings.drain, workers)
        return 0
    server = Server(build_app(settings, made), settings.host, settings.port, settings.drain)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as loop:
        loop.run(made.prepare())  # a mistake in it is told before the server begins
        loop.run(server.serve())
    return 0


def require_shared_log(settings: Settings, workers: int) -> None:
    if workers > 1 and not settings.redis_url:
        raise BadSetting("Several workers share their runs through Redis: set REDIS_URL.")
    if settings.workers == "external" and not settings.redis_url:
        raise BadSetting(NO_QUEUE)


async def work(settings: Settings) -> int:
    """Perform runs that web processes leave in the queue, until a signal says to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with open_runner(settings, make(settings), queued=True) as runner:
        if runner.queue is None:
            raise BadSetting(NO_QUEUE)
        calls = chain([stopping.set], repeat(runner.end_all))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: next(calls)())
        print("Waiting for runs.", flush=True)  # noqa: T201  the command line speaks to its user
        await worker.work(runner, runner.queue, settings.max_runs, stopping)
    return 0


async def index(settings: Settings, folder: Path | None) -> int:
    """Read the documents, embed them where that is set, and say what could not be read."""
    make_data(settings)
    knowledge = make_knowledge(settings, folder)
    if knowledge.library is None:
        raise BadSetting(f"Which folder? Name it, or set {PREFIX}DOCUMENTS.")
    print(summary(await knowledge.index(knowledge.library)))  # noqa: T201  as above
    return 0


async def talk(settings: Settings, arguments: argparse.Namespace) -> int:
    raw = arguments.raw
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may speak less than UTF-8
    async with open_runner(settings, make(settings), [RawStdoutHandler()] if raw else []) as runner:
        if arguments.command == "chat":
            return await terminal.chat(runner, raw=raw)
        question = sys.stdin.read() if arguments.text is None else _decoded(arguments.text)
        return await terminal.ask(runner, question, raw=raw)


def cli(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="lastword", description="Serve a LangChain agent.")
    commands = parser.add_subparsers(dest="command")
    parser.add_argument("--workers", type=_at_least_one, default=1, help="processes that serve")
    serve_command = commands.add_parser("serve", help="start the server (the default)")
    serve_command.add_argument("--workers", type=_at_least_one, default=argparse.SUPPRESS)
    commands.add_parser("work", help="perform the runs of servers with LASTWORD_WORKERS=external")
    index_command = commands.add_parser("index", help="read the documents of a folder")
    index_command.add_argument("folder", nargs="?", type=Path, help="LASTWORD_DOCUMENTS if missing")
    chat_command = commands.add_parser("chat", help="talk in the terminal")
    ask_command = commands.add_parser("ask", help="print one answer and nothing else")
    ask_command.add_argument("text", nargs="?", help="the question; standard input if missing")
    for command in (chat_command, ask_command):
        command.add_argument("--raw", action="store_true", help="show all that the model says")
    parsed = parser.parse_args(arguments)
    with _one_line_for_mistakes():
        settings = Settings()
        if parsed.command not in {"chat", "ask", "work", "index"}:
            return serve(settings, parsed.workers)
        try:
            return asyncio.run(_performed(settings, parsed))
        except KeyboardInterrupt:
            return terminal.INTERRUPTED


def _performed(settings: Settings, parsed: argparse.Namespace) -> Coroutine[None, None, int]:
    match parsed.command:
        case "work":
            return work(settings)
        case "index":
            return index(settings, parsed.folder)
        case _:
            return talk(settings, parsed)


@contextmanager
def _one_line_for_mistakes() -> Iterator[None]:
    """A mistake in the settings ends the process with a message, not with a traceback."""
    try:
        yield
    except ValidationError as error:
        raise SystemExit("\n".join(_explained(error))) from None
    except UnknownAgent as error:
        raise SystemExit(f"{PREFIX}AGENT: {error}") from None
    except (BadSetting, UnknownDocuments, models.UnknownModel, UnknownTool) as error:
        raise SystemExit(str(error)) from None


def _explained(error: ValidationError) -> Iterator[str]:
    """Which settings are wrong, without their values: one of them may be a key."""
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        message = each["msg"].removeprefix("Value error, ")
        yield f"{_variable(str(each['loc'][0]))}: {message}" if each["loc"] else message


def _variable(name: str) -> str:
    """The environment's name for a setting, which pydantic gives as it found it."""
    aliases = {field.validation_alias for field in Settings.model_fields.values()}
    return name if name in aliases else f"{PREFIX}{name.upper()}"


def _at_least_one(argument: str) -> int:
    if not argument.isdecimal() or int(argument) < 1:
        raise argparse.ArgumentTypeError("use a number from 1 on")
    return int(argument)


def _decoded(argument: str) -> str:
    """Bytes of the command line that are not UTF-8 stand in it as lone surrogates."""
    return os.fsencode(argument).decode(errors="replace")


def _provider(model: str) -> str:
    return model.partition(":")[0]


def _key(settings: Settings) -> str | None:
    return settings.openai_api_key.get_secret_value() if settings.openai_api_key else None


def __getattr__(name: str) -> FastAPI:
    """`app`, made when an ASGI server asks for it and not when a test imports this module."""
    if name == "app":
        with _one_line_for_mistakes():
            settings = Settings()
            workers = workers_asked_for(sys.argv, os.environ)
            require_shared_log(settings, workers)
            require_grpc(settings, workers, alone=workers == 1)
            globals()["app"] = app = build_app(settings, workers=workers)
            return app
    raise AttributeError(name)


def run() -> NoReturn:
    """The command line, as a process: it ends when all is closed.

    A tool that is no async code may still be busy in its thread, and Python would wait for it.
    """
    status = cli()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
