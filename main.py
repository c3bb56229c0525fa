"""The command line, and the app that ASGI servers ask for.

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
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import NoReturn

from fastapi import FastAPI
from pydantic import ValidationError

from agent import models, worker
from agent.documents.knowledge import UnknownDocuments
from agent.documents.report import summary
from agent.load import UnknownAgent
from agent.tools.errors import UnknownTool
from application import (
    NO_QUEUE,
    build_app,
    open_runner,
    require_grpc,
    require_keys,
    require_shared_log,
)
from callbacks.stdout import RawStdoutHandler
from factory import BadSetting, make, make_data, make_knowledge
from settings import PREFIX, Settings
from wire import terminal
from wire.server import Server, serve_with_workers, workers_asked_for


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
    _write_what_can_be_written()
    make_data(settings)
    knowledge = make_knowledge(settings, folder)
    if knowledge.library is None:
        raise BadSetting(f"Which folder? Name it, or set {PREFIX}DOCUMENTS.")
    said = summary(await knowledge.index(knowledge.library))
    try:
        print(said, flush=True)  # noqa: T201  the command line speaks to its user
    except BrokenPipeError:  # `index | head`: who reads has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if knowledge.library.is_embedded:
        return 0
    print("Not all could be embedded: search finds the rest by its words.", file=sys.stderr)  # noqa: T201  the command line speaks to its user
    return 1


async def talk(settings: Settings, arguments: argparse.Namespace) -> int:
    _write_what_can_be_written()
    raw = arguments.raw
    async with open_runner(settings, make(settings), [RawStdoutHandler()] if raw else []) as runner:
        if arguments.command == "chat":
            return await terminal.chat(runner, raw=raw)
        question = sys.stdin.read() if arguments.text is None else _decoded(arguments.text)
        return await terminal.ask(runner, question, raw=raw)


def _write_what_can_be_written() -> None:
    """A terminal may speak less than UTF-8."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


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
