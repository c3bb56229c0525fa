"""Lastword, put together: settings -> log -> agent -> runner -> app.

uvicorn main:app              the server, by any ASGI server
python main.py                the same, with our defaults
python main.py chat           a conversation in the terminal
python main.py ask "..."      one answer on stdout and nothing else
"""

import argparse
import asyncio
import gc
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from pydantic import ValidationError

from agent import models
from agent.build import build_agent
from agent.execution import Parts
from agent.memory import Memory
from agent.runner import Policy, Runner
from agent.tools.named import UnknownTool, named_tools
from callbacks.filters.registry import FILTERS
from callbacks.stdout import RawStdoutHandler
from settings import Settings
from stream.memory import MemoryLog
from wire import chat, page, runs, status, terminal
from wire.access import Access, is_loopback
from wire.app import create_app

ROUTERS = (chat.router, runs.router, status.router, page.router)
DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"
SHUTDOWN_TIMEOUT = 5
"""Seconds. Runs end at once when the server is told to stop; this is for slow clients."""


def model_name(settings: Settings) -> str:
    """What is set; else what the key or the base URL gives; else the offline model."""
    if settings.model:
        return settings.model
    if settings.openai_base_url:
        return models.first_model(settings.openai_base_url, _key(settings))
    return DEFAULT_OPENAI_MODEL if settings.openai_api_key else models.OFFLINE


@asynccontextmanager
async def open_runner(
    settings: Settings, callbacks: Sequence[BaseCallbackHandler] = ()
) -> AsyncIterator[Runner]:
    """Everything that a server holds open, closed again in the right order."""
    name = model_name(settings)
    model = models.chat_model(name, api_key=_key(settings), base_url=settings.openai_base_url)
    agent = build_agent(
        model,
        protocol=settings.protocol,
        tools=named_tools(settings.tools),
        max_iterations=settings.max_iterations,
    )
    settings.data.mkdir(parents=True, exist_ok=True)
    async with AsyncSqliteSaver.from_conn_string(str(settings.data / "memory.sqlite")) as saver:
        parts = Parts(
            agent=agent,
            grammar=FILTERS[settings.protocol],
            log=MemoryLog(settings.log_ttl),
            memory=Memory(saver, settings.memory_window),
            timeout=settings.run_timeout,
            callbacks=callbacks,
        )
        policy = Policy(
            models=[name, *settings.models],
            max_runs=settings.max_runs,
            on_disconnect=settings.on_disconnect,
            heartbeat=settings.heartbeat,
        )
        # What the imports left is never garbage, and walking it stalls every stream.
        gc.collect()
        gc.freeze()
        async with Runner(parts, policy) as runner:
            with on_signal(runner.shut_down):
                yield runner
        await models.close(model)


def build_app(settings: Settings) -> FastAPI:
    access = Access(
        [key.get_secret_value() for key in settings.api_keys],
        settings.cors_origins,
        anonymous=settings.anonymous,
    )
    return create_app(ROUTERS, lambda: open_runner(settings), access, settings.cors_origins)


@contextmanager
def on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT, before the handler that was there.

    uvicorn waits for open streams and only then lets the app shut down; but it is
    the app that must end the streams.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only there can Python take signals; a server in a thread is stopped otherwise
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Server(uvicorn.Server):
    """Says where it is."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            address = f"http://{host}:{port}"
            print(f"Page  {address}/\nAPI   {address}/chat\nDocs  {address}/docs", flush=True)  # noqa: T201


def serve(settings: Settings) -> int:
    if not (settings.api_keys or settings.anonymous or is_loopback(settings.host)):
        raise SystemExit(
            f"Without LASTWORD_API_KEYS anybody could use this server at {settings.host}. "
            "Set keys, or LASTWORD_ANONYMOUS=true if that is meant."
        )
    config = uvicorn.Config(
        build_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,  # a question in `?text=` is nobody's business
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
    )
    Server(config).run()
    return 0


async def talk(settings: Settings, arguments: argparse.Namespace) -> int:
    raw = arguments.raw
    async with open_runner(settings, [RawStdoutHandler()] if raw else []) as runner:
        if arguments.command == "ask":
            return await terminal.ask(runner, arguments.text or sys.stdin.read(), raw=raw)
        return await terminal.chat(runner, raw=raw)


def cli(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="lastword", description="Serve a LangChain agent.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="start the server (the default)")
    chat_command = commands.add_parser("chat", help="talk in the terminal")
    ask_command = commands.add_parser("ask", help="print one answer and nothing else")
    ask_command.add_argument("text", nargs="?", help="the question; standard input if missing")
    for command in (chat_command, ask_command):
        command.add_argument("--raw", action="store_true", help="show all that the model says")
    parsed = parser.parse_args(arguments)
    try:
        settings = Settings()
        if parsed.command in {"chat", "ask"}:
            return asyncio.run(talk(settings, parsed))
        return serve(settings)
    except ValidationError as error:
        raise SystemExit("\n".join(_explained(error))) from None
    except (models.UnknownModel, UnknownTool) as error:
        raise SystemExit(str(error)) from None


def _explained(error: ValidationError) -> Iterator[str]:
    """Which settings are wrong, without their values: one of them may be a key."""
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        name = ".".join(str(part) for part in each["loc"])
        yield f"LASTWORD_{name.upper()}: {each['msg']}" if name else each["msg"]


def _key(settings: Settings) -> str | None:
    return settings.openai_api_key.get_secret_value() if settings.openai_api_key else None


def __getattr__(name: str) -> FastAPI:
    """`app`, made when an ASGI server asks for it and not when a test imports this module."""
    if name == "app":
        globals()["app"] = app = build_app(Settings())
        return app
    raise AttributeError(name)


if __name__ == "__main__":
    sys.exit(cli())
