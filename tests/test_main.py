"""The composition root and its command line, in this process and as users start it."""

import io
import os
import re
import runpy
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

import main
from tests.commands import ROOT, TIMEOUT, lastword, on
from tests.redis_server import shared_redis
from tests.replies import Status, blob, final
from tests.serving import wait_for
from tests.upstream import Upstream

QUESTION = "What is the square root of 71?"
ANSWER = "The square root of 71 is 8.426149773176359."
CLI = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), "--log-level", "warning"]


@pytest.fixture
def scripted(env: pytest.MonkeyPatch, upstream: Upstream) -> Upstream:
    """The scriptable model, for a command that is run in this process."""
    env.setenv("LASTWORD_MODEL", "openai:test")
    env.setenv("OPENAI_BASE_URL", upstream.url)
    env.setenv("LASTWORD_PROTOCOL", "json_chat")
    return upstream


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
