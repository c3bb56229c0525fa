"""How uvicorn is run: our defaults, and an end that every client is told of."""

import asyncio
import logging
import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from wire.bounded import BoundedProtocol
from wire.bounded_socket import MAX_FRAME, BoundedSocket

PROTOCOLS: Mapping[str, Any] = {
    "http": BoundedProtocol,
    "ws": BoundedSocket,
    "ws_max_size": MAX_FRAME,
    "ws_per_message_deflate": False,  # frames are small, and each socket would hold 300 KiB for it
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
}
"""What uvicorn is told of the protocols. Seconds between the heartbeats, and for their answers."""
SHUTDOWN_TIMEOUT = 5
"""Seconds that slow clients have to read the end of their runs."""
IMPORTING = 60
"""Seconds that a process may take to begin: uvicorn would start another one after five."""


@contextmanager
def on_signal(stop: Callable[[], None], at_once: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT, before the handler that was there; then `at_once`.

    uvicorn waits for open streams and only then lets the app shut down; but it is
    the app that must end the streams.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only there can Python take signals; a server in a thread is stopped otherwise
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    calls = chain([stop], repeat(at_once))

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(next(calls))
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
    """uvicorn with our defaults; says where it is."""

    def __init__(self, app: FastAPI, host: str, port: int, drain: float = 0) -> None:
        super().__init__(configured(app, host, port, drain))

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # its type is narrower
        await super().startup(sockets)  # type: ignore[arg-type]  # as above
        announce(self.config.host, self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # its type is narrower
        await super().shutdown(sockets)  # type: ignore[arg-type]  # as above
        # Being told to stop is no failure; uvicorn would end the process by the same signal.
        self._captured_signals.clear()


def serve_with_workers(app: str, host: str, port: int, drain: float, workers: int) -> None:
    """Several processes behind one address, each with the app of this name."""
    config = configured(
        app, host, port, drain, workers=workers, timeout_worker_healthcheck=IMPORTING
    )
    with config.bind_socket() as listening:
        announce(host, listening.getsockname()[1])
        Multiprocess(config, sockets=[listening]).run()


def configured(
    app: FastAPI | str, host: str, port: int, drain: float, **options: Any
) -> uvicorn.Config:
    """`drain` is how many seconds the app gives its runs when it is told to stop."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        access_log=False,  # a question in `?text=` is nobody's business
        timeout_graceful_shutdown=math.ceil(drain) + SHUTDOWN_TIMEOUT,
        **PROTOCOLS,
        **options,
    )


def announce(host: str, port: int) -> None:
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    print(f"Page  {address}/\nAPI   {address}/chat\nDocs  {address}/docs", flush=True)  # noqa: T201  for whoever started it


def workers_asked_for(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """How many processes uvicorn's own command line was told to start."""
    words = [word for each in arguments for word in each.split("=", 1)]
    told = [words[at + 1] for at, word in enumerate(words[:-1]) if word == "--workers"]
    number = [*told, environment.get("WEB_CONCURRENCY", "")][0]
    return int(number) if number.isdecimal() else 1


def let_streams_be_cut() -> None:
    """Plain text that must not look complete ends like this (`wire/live.py`); it is no error."""
    logging.getLogger("uvicorn.error").addFilter(_not_cut_off_on_purpose)


def _not_cut_off_on_purpose(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("ASGI callable returned without completing")
