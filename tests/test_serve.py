"""The server as users start it: by our command, and by uvicorn."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi import FastAPI

import main
from tests.commands import MAIN, ROOT, TIMEOUT, environment, lastword, on
from tests.redis_server import shared_redis
from tests.replies import Stall, final
from tests.serving import free_port, wait_for
from tests.upstream import Upstream
from wire import server
from wire.server import workers_asked_for

QUESTION = "What is the square root of 71?"
ANSWER = "The square root of 71 is 8.426149773176359."
CLI = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), "--log-level", "warning"]


class Server:
    """`python main.py`, in a process of its own, up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout
        self.lines = [process.stdout.readline() for _ in range(3)]
        self.url = self.lines[0].split()[-1].rstrip("/")

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """The exit status, and what else was printed, after this signal."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, errors


@contextmanager
def started(command: Any, data: Path, **settings: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=data,
        env=environment(data, **settings),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_serve_says_where_it_is_and_ends_open_streams(tmp_path: Path, upstream: Upstream) -> None:
    beginning, end = final("Hello| there.").split("|")
    upstream.default = lambda _: Stall(tokens=[beginning, end], after=1)
    with ExitStack() as stack:
        process = stack.enter_context(started(MAIN, tmp_path, port=0, **on(upstream)))
        server = Server(process)
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", server.url)
        names = ("Page  ", "/"), ("API   ", "/chat"), ("Docs  ", "/docs")
        assert server.lines == [f"{name}{server.url}{path}\n" for name, path in names]

        def ask(accept: str) -> requests.Response:
            answer = requests.post(
                f"{server.url}/chat",
                json={"text": "hi"},
                headers={"Accept": accept},
                stream=True,
                timeout=TIMEOUT,
            )
            return stack.enter_context(answer)

        events = [ask("text/event-stream") for _ in range(3)]
        assert {"server", "date"} & {name.lower() for name in events[0].headers} == {"date"}
        text = ask("text/plain").iter_content(5)
        assert next(text) == b"Hello"
        upstream.wait_for(lambda: upstream.open == 4)

        status, errors = server.end(signal.SIGTERM)

        for answer in events:
            frames = answer.text.split("\n\n")
            assert "event: failed\n" in frames[-2]
            assert '"code":"server_shutdown"' in frames[-2]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            next(text)  # plain text cannot say that it failed: it must not look complete
        assert status == 0
        assert "Traceback" not in errors


def test_serve_ends_on_ctrl_c(tmp_path: Path) -> None:
    with started(MAIN, tmp_path, port=0) as process:
        assert Server(process).end(signal.SIGINT) == (0, "")


@pytest.fixture
def signals() -> Iterator[None]:
    """As they were, afterwards: a server of several processes leaves its own."""
    numbers = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        if callable(handler) or handler in {signal.SIG_DFL, signal.SIG_IGN}:
            signal.signal(number, handler)


@pytest.mark.parametrize("arguments", [[], ["--workers", "2"]])
@pytest.mark.usefixtures("signals")
def test_serve_in_process(
    env: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    env.setenv("REDIS_URL", shared_redis().url)
    env.setenv("LASTWORD_PORT", str(port := free_port()))
    url = f"http://127.0.0.1:{port}"

    def use() -> Any:
        try:
            wait_for(lambda: _answers(f"{url}/health"), TIMEOUT)
            return requests.get(f"{url}/chat", params={"text": QUESTION}, timeout=TIMEOUT).text
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: None)  # should the server never start
    try:
        with ThreadPoolExecutor(1) as client:
            answer = client.submit(use)
            assert main.cli(arguments) == 0
        assert answer.result() == ANSWER
        assert capfd.readouterr().out == f"Page  {url}/\nAPI   {url}/chat\nDocs  {url}/docs\n"
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("workers", ["0", "-1", "two"])
def test_there_is_at_least_one_worker(workers: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.cli(["--workers", workers])
    assert "use a number from 1 on" in capfd.readouterr().err


def test_several_workers_need_a_log_that_they_share(env: pytest.MonkeyPatch) -> None:
    env.setenv("WEB_CONCURRENCY", "2")
    vars(main).pop("app", None)
    two = ["--workers", "2"]
    for start in (lambda: main.cli(two), lambda: main.cli(["serve", *two]), lambda: main.app):
        with pytest.raises(SystemExit, match=r"\ASeveral workers .* set REDIS_URL\.\Z"):
            start()


@pytest.mark.parametrize(
    ("arguments", "environ", "workers"),
    [
        (["uvicorn", "main:app"], {}, 1),
        (["uvicorn", "--workers", "3", "main:app"], {}, 3),
        (["uvicorn", "--workers=3", "main:app"], {"WEB_CONCURRENCY": "5"}, 3),
        (["uvicorn", "main:app"], {"WEB_CONCURRENCY": "5"}, 5),
        (["uvicorn", "main:app", "--workers", "x"], {}, 1),
    ],
)
def test_how_many_workers_uvicorn_was_told(
    arguments: list[str], environ: dict[str, str], workers: int
) -> None:
    assert workers_asked_for(arguments, environ) == workers


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=TIMEOUT).ok
    except requests.ConnectionError:
        return False


def test_serve_on_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = lastword(data=tmp_path, port=port)
    assert "Traceback" not in done.stderr.decode()
    assert f"('127.0.0.1', {port}): address already in use" in done.stderr.decode()
    assert done.stdout == b""
    assert done.returncode != 0


def test_a_signal_also_reaches_the_handler_that_was_there() -> None:
    calls: list[str] = []

    async def run(before: Callable[..., None] | int) -> None:
        signal.signal(signal.SIGTERM, before)
        stopped, again = asyncio.Event(), asyncio.Event()
        with server.on_signal(stopped.set, again.set):
            os.kill(os.getpid(), signal.SIGTERM)
            await stopped.wait()
            assert not again.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            await again.wait()
        assert signal.getsignal(signal.SIGTERM) == before

    here = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(run(lambda *_: calls.append("before")))
        assert calls == ["before", "before"]
        asyncio.run(run(signal.SIG_IGN))  # nothing there that could be called
    finally:
        signal.signal(signal.SIGTERM, here)


def test_a_server_in_a_thread_leaves_the_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def run() -> None:
        with server.on_signal(pytest.fail, pytest.fail):
            assert signal.getsignal(signal.SIGTERM) == before

    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()


# uvicorn main:app


def test_uvicorn_serves_the_app(tmp_path: Path) -> None:
    port = free_port()
    command = [*CLI, "main:app", "--port", str(port)]
    with started(command, tmp_path) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: process.poll() is not None or _answers(f"{url}/ready"), TIMEOUT)
        answer = requests.get(f"{url}/chat", params={"text": QUESTION}, timeout=TIMEOUT)
        assert answer.text == ANSWER
        process.terminate()
        _, errors = process.communicate(timeout=TIMEOUT)
        assert errors == ""


def test_uvicorn_fails_in_one_line(tmp_path: Path) -> None:
    with started([*CLI, "main:app"], tmp_path, api_keys="secret", prot=1) as process:
        _, errors = process.communicate(timeout=TIMEOUT)
        assert errors == "LASTWORD_PROT is not a setting of Lastword\n"
        assert process.returncode == 1


def test_the_app_is_built_when_it_is_asked_for(env: pytest.MonkeyPatch) -> None:
    assert "app" not in vars(main)
    try:
        assert isinstance(main.app, FastAPI)
        assert main.app is vars(main)["app"]
    finally:
        vars(main).pop("app", None)
    with pytest.raises(AttributeError, match="application"):
        _ = main.application


def test_the_app_does_not_quote_a_wrong_setting(env: pytest.MonkeyPatch) -> None:
    env.setenv("LASTWORD_PORT", "secret")
    with pytest.raises(SystemExit) as refused:
        _ = main.app
    assert "LASTWORD_PORT" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_uvicorn_serves_ones_own_agent(own: Path) -> None:
    port = free_port()
    with started([*CLI, "main:app", "--port", str(port)], own, agent="mine:make") as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: process.poll() is not None or _answers(f"{url}/ready"), TIMEOUT)
        answer = requests.get(f"{url}/chat", params={"text": "Hello"}, timeout=TIMEOUT)
        assert answer.text == "You said: Hello"
