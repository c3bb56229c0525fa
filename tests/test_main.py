"""The composition root and its command line, in this process and as users start it."""

import asyncio
import io
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import requests
from fastapi import FastAPI

import main
from settings import Settings
from tests.commands import MAIN, ROOT, TIMEOUT, environment, lastword
from tests.redis_server import shared_redis
from tests.replies import Stall, Status, blob, final
from tests.serving import wait_for
from tests.upstream import Upstream
from wire import server
from wire.server import workers_asked_for

QUESTION = "What is the square root of 71?"
ANSWER = "The square root of 71 is 8.426149773176359."
CLI = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), "--log-level", "warning"]


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a command that is run in this process."""
    monkeypatch.chdir(tmp_path)  # away from a developer's `.env`
    monkeypatch.setenv("LASTWORD_DATA", str(tmp_path))
    monkeypatch.setenv("LASTWORD_MODEL", "offline")
    return monkeypatch


@pytest.fixture
def scripted(env: pytest.MonkeyPatch, upstream: Upstream) -> Upstream:
    """The scriptable model, for a command that is run in this process."""
    env.setenv("LASTWORD_MODEL", "openai:test")
    env.setenv("OPENAI_BASE_URL", upstream.url)
    env.setenv("LASTWORD_PROTOCOL", "json_chat")
    return upstream


def on(upstream: Upstream) -> dict[str, str]:
    """The same for another process."""
    return {"openai_base_url": upstream.url, "protocol": "json_chat"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


# ask


def test_ask_prints_the_answer_and_nothing_else(tmp_path: Path) -> None:
    done = lastword("ask", QUESTION, data=tmp_path)
    assert done.stdout.decode() == f"{ANSWER}\n"
    assert done.stderr == b""
    assert done.returncode == 0


def test_ask_reads_standard_input(tmp_path: Path, upstream: Upstream) -> None:
    upstream.say(final("Grüße 👋\nund Ende"), cut=1)
    done = lastword("ask", data=tmp_path, typed="Wie heißt\ndas?", **on(upstream))
    assert done.stdout.decode() == "Grüße 👋\nund Ende\n"
    assert done.stderr == b""
    assert done.returncode == 0
    assert upstream.requests[0].body["messages"][-1]["content"] == "Wie heißt\ndas?"


def test_ask_fails_with_a_message(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(Status(401, body={"error": {"message": "bad key sk-secret"}}))
    done = lastword("ask", "hi", data=tmp_path, **on(upstream))
    assert done.stdout == b""
    assert "Traceback" not in done.stderr.decode()
    assert "secret" not in done.stderr.decode()
    assert "The model's server refused this server's key.\n" in done.stderr.decode()
    assert done.returncode == 1


def test_ask_in_process(env: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert main.cli(["ask", QUESTION]) == 0
    assert capfd.readouterr() == (f"{ANSWER}\n", "")


def test_ask_raw_shows_all_that_the_model_says(
    scripted: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    replies = [blob("calculator", "6 * 7"), final("It is \x1b[1m42.")]
    for reply in replies:
        scripted.say(reply)
    assert main.cli(["ask", "--raw", "6 * 7"]) == 0
    assert capfd.readouterr() == ("".join(f"{reply}\n" for reply in replies), "")


def test_ask_takes_a_broken_argument_and_answers_a_poor_terminal(
    scripted: Upstream, env: pytest.MonkeyPatch
) -> None:
    scripted.say(final("≈ 3"))
    stdout = io.TextIOWrapper(io.BytesIO(), "ascii")
    env.setattr(sys, "stdout", stdout)
    assert main.cli(["ask", os.fsdecode(b"caf\xe9")]) == 0
    assert scripted.requests[0].body["messages"][-1]["content"] == "caf�"
    assert stdout.buffer.getvalue() == b"? 3\n"


def test_ask_reads_broken_input(scripted: Upstream, env: pytest.MonkeyPatch) -> None:
    env.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), "utf-8"))
    assert main.cli(["ask"]) == 0
    assert scripted.requests[0].body["messages"][-1]["content"] == "caf�"


def test_ask_stops_when_nobody_reads(env: pytest.MonkeyPatch, capfd: Any) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        env.setattr(sys, "stdout", stdout)
        assert main.cli(["ask", QUESTION]) == 1
    assert capfd.readouterr() == ("", "")


def test_ask_without_a_question(env: pytest.MonkeyPatch, capfd: Any) -> None:
    assert main.cli(["ask", " "]) == 1
    assert capfd.readouterr() == ("", "There is no question.\n")


class Impatient(io.StringIO):
    def read(self, size: int | None = -1) -> str:
        raise KeyboardInterrupt


def test_interrupted_before_the_question(env: pytest.MonkeyPatch) -> None:
    env.setattr(sys, "stdin", Impatient())
    assert main.cli(["ask"]) == 130


# serve


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


@pytest.mark.parametrize("arguments", [[], ["--workers", "2"], ["serve", "--workers", "2"]])
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
    for start in (lambda: main.cli(["--workers", "2"]), lambda: main.app):
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


# Settings that cannot be met


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LASTWORD_PROT", "s3cret", "LASTWORD_PROT is not a setting of Lastword"),
        ("LASTWORD_PORT", "s3cret", "LASTWORD_PORT: Input should be a valid integer, .*"),
        ("REDIS_URL", "s3cret", "REDIS_URL: use redis://host:port"),
        ("LASTWORD_MODEL", "nonsense", "'nonsense' is not a model's name: use .*"),
        ("LASTWORD_MODEL", "openai:", "'openai:' is not a model's name: use .*"),
        ("LASTWORD_TOOLS", "nonsense", "'nonsense' is neither a tool .*"),
        ("LASTWORD_PROTOCOL", "nonsense", "LASTWORD_PROTOCOL: use one of .*json_chat.*"),
        ("LASTWORD_DATA", "/dev/null/x", "LASTWORD_DATA cannot be made: Not a directory."),
        ("LASTWORD_AGENT", "mine", "LASTWORD_AGENT: 'mine' is not an agent's name: use .*"),
        ("LASTWORD_AGENT", "no:agent", "LASTWORD_AGENT: There is no module 'no', .*"),
        ("LASTWORD_AGENT", "main:cli.x", "LASTWORD_AGENT: 'main:cli.x': there is no 'x' in .*"),
    ],
)
@pytest.mark.parametrize("arguments", [[], ["serve"], ["ask", "hi"], ["chat"]])
def test_a_mistake_is_one_line(
    env: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    name: str,
    value: str,
    message: str,
) -> None:
    env.setenv(name, value)
    with pytest.raises(SystemExit) as refused:
        main.cli(arguments)
    assert re.fullmatch(message, str(refused.value.code))
    assert "s3cret" not in str(refused.value.code)
    assert capfd.readouterr() == ("", "")


def test_a_mistake_shows_no_traceback(tmp_path: Path) -> None:
    done = lastword("ask", "hi", data=tmp_path, on_disconnect="s3cret")
    assert done.returncode == 1
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert lines
    assert all(line.startswith("LASTWORD_ON_DISCONNECT: ") for line in lines)
    assert "s3cret" not in done.stderr.decode()


def test_a_file_holds_settings(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LASTWORD_TOOLS=nonsense\n")
    with pytest.raises(SystemExit, match="nonsense"):
        main.cli(["ask", "hi"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_are_not_served_by_accident(env: pytest.MonkeyPatch, host: str) -> None:
    env.setenv("LASTWORD_HOST", host)
    with pytest.raises(SystemExit, match=f"LASTWORD_API_KEYS .*{host}.* LASTWORD_ANONYMOUS"):
        main.cli([])


# One's own agent

OWN = """
from langchain_core.runnables import RunnableLambda

agent = RunnableLambda(lambda given: f"You said: {given['input']}")

async def make():
    return agent

async def fail():
    raise LookupError("s3cret")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with agents in it, for a command in a process of its own."""
    (tmp_path / "mine.py").write_text(OWN)
    return tmp_path


@pytest.mark.parametrize("name", ["mine:agent", "mine:make"])
def test_ask_ones_own_agent(own: Path, name: str) -> None:
    done = lastword("ask", "Hello", data=own, agent=name)
    assert (done.stdout, done.stderr, done.returncode) == (b"You said: Hello\n", b"", 0)


@pytest.mark.parametrize("arguments", [["serve"], ["ask", "hi"]])
def test_an_agent_that_cannot_be_made_is_one_line(own: Path, arguments: list[str]) -> None:
    done = lastword(*arguments, data=own, agent="mine:fail")
    assert done.stderr == b"LASTWORD_AGENT: 'mine:fail' failed: LookupError: s3cret\n"
    assert (done.stdout, done.returncode) == (b"", 1)


def test_uvicorn_serves_ones_own_agent(own: Path) -> None:
    port = free_port()
    with started([*CLI, "main:app", "--port", str(port)], own, agent="mine:make") as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: process.poll() is not None or _answers(f"{url}/ready"), TIMEOUT)
        answer = requests.get(f"{url}/chat", params={"text": "Hello"}, timeout=TIMEOUT)
        assert answer.text == "You said: Hello"


@pytest.mark.parametrize("protocol", ["nonsense", "thought+react", "react+"])
def test_a_protocol_that_nobody_reads(own: Path, protocol: str) -> None:
    settings = Settings(_env_file=None, agent="mine:agent", protocol=protocol, data=own)
    with pytest.raises(main.BadSetting, match=r"LASTWORD_PROTOCOL: .* react, .* `think\+`"):
        main.make(settings)


# Which model


def test_the_model_follows_from_what_is_set(upstream: Upstream) -> None:
    def name(**settings: Any) -> str:
        return main.model_name(Settings(_env_file=None, **settings))

    assert name() == "offline"
    assert name(openai_api_key="sk-x").startswith("openai:")
    assert name(openai_base_url=upstream.url) == "openai:test"
    assert name(openai_base_url=upstream.url, openai_api_key="sk-x") == "openai:test"
    assert name(openai_base_url=upstream.url, model="offline") == "offline"


def test_a_server_that_lists_no_models(env: pytest.MonkeyPatch) -> None:
    env.delenv("LASTWORD_MODEL")
    env.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(SystemExit, match="did not list its models"):
        main.cli(["ask", "hi"])


def test_the_command_line_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py", "--help"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(ROOT / "main.py"), run_name="__main__")
    assert left.value.code == 0
    assert {"serve", "chat", "ask"} <= set(capsys.readouterr().out.split())


def test_a_worker_waits_until_it_is_told_to_stop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", shared_redis().url)
    monkeypatch.setenv("LASTWORD_DATA", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        wait_for(lambda: signal.getsignal(signal.SIGTERM) != before, TIMEOUT)
        os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as thread:
        stopped = thread.submit(stop)
        assert main.cli(["work"]) == 0
        stopped.result()
    assert capsys.readouterr().out == "Waiting for runs.\n"


@pytest.mark.parametrize("command", ["work", "serve"])
def test_workers_want_a_queue(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LASTWORD_WORKERS", "external")
    monkeypatch.setenv("LASTWORD_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="queue in Redis: set REDIS_URL"):
        main.cli([command])


def test_the_process_ends_with_the_status_of_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At once, whatever threads are still busy."""

    def leave(status: int) -> NoReturn:
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(sys, "argv", ["main.py", "ask", " "])
    monkeypatch.setenv("LASTWORD_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        main.run()
    assert left.value.code == 1


def test_models_of_another_provider_are_refused(tmp_path) -> None:
    settings = Settings(_env_file=None, model="offline", models="openai:gpt-4.1", data=tmp_path)
    with pytest.raises(main.BadSetting, match=r"LASTWORD_MODELS: openai:gpt-4\.1 is of another"):
        main.make(settings)
