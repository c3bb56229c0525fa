"""The servers that are compared, each a process of its own on core 0."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.upstream import QUESTION

ROOT = Path(__file__).parent.parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
UVICORN = "-m uvicorn {app} --host 127.0.0.1 --port {port} --loop uvloop --http httptools"
QUIET = " --no-access-log --log-level warning"
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """How to start a server, and what to ask it."""

    command: str  # of Python, with {port}
    accept: str = "text/event-stream"
    path: str = "/chat"
    env: Mapping[str, str] = field(default_factory=dict)
    on_redis: bool = False  # with a Redis of its own, whose CPU is not counted
    body: str = '{"text": "%(question)s"}'
    speaks: str = "http"  # one of `load.STREAMS`

    def asked(self, number: int) -> str:
        """The body of a question; no two are of the same conversation."""
        return self.body % {"question": QUESTION.format(number=number), "number": number}


def uvicorn(app: str) -> str:
    return (UVICORN + QUIET).replace("{app}", app)


LASTWORD = {
    "LASTWORD_MODEL": "openai:bench",
    "LASTWORD_PROTOCOL": "json_chat",
    "LASTWORD_MAX_RUNS": "1000",
}
SERVERS = {
    "relay": Server(uvicorn("bench.relay:app")),
    "relay-bare": Server(uvicorn("bench.relay_bare:app")),
    "fastapi-astream": Server(uvicorn("bench.astream:app")),
    "tutorial": Server(uvicorn("bench.tutorial:app")),
    "lastword": Server(uvicorn("main:app"), env=LASTWORD),
    "lastword-sdk": Server(uvicorn("main:app"), env=LASTWORD | {"LASTWORD_FAST_STREAM": "false"}),
    "lastword-redis": Server(uvicorn("main:app"), env=LASTWORD, on_redis=True),
    "lastword-text": Server(uvicorn("main:app"), accept="text/plain", env=LASTWORD),
}
MODEL = Server("", path="/v1/chat/completions")  # asked directly: what the bench itself takes


@dataclass(frozen=True)
class Running:
    """A server that listens."""

    server: Server
    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU that the process and its children have used."""
        return sum(map(_cpu_of, _tree(self.pid)))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(FileNotFoundError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from _tree(int(child))


def _cpu_of(pid: int) -> float:
    """By the clock of the process: `/proc` has it only to a hundredth of a second."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # as `clock_getcpuclockid` makes it
    except OSError:
        return 0.0


def busy(core: int) -> float:
    """Seconds in which the core was at work, for whomever."""
    line = re.search(rf"^cpu{core} (.*)", Path("/proc/stat").read_text(), re.MULTILINE)
    user, nice, system, _, _, irq, softirq = map(int, line[1].split()[:7]) if line else [0] * 7
    return (user + nice + system + irq + softirq) / TICK


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running(server: Server, upstream: str) -> Iterator[Running]:
    """Start it and wait until it listens; end it in every case."""
    port = free_port()
    ours = {"OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": "bench", "LANGSMITH_TRACING": "false"}
    ours |= {"LASTWORD_PORT": str(port), "PYTHONPATH": str(ROOT)}
    env = os.environ | ours | server.env
    command = [sys.executable, *server.command.format(port=port).split()]

    def in_child() -> None:
        os.sched_setaffinity(0, {SERVER_CORE})
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # it never outlives the bench

    with contextlib.ExitStack() as stack:
        output = stack.enter_context(tempfile.TemporaryFile())
        data = stack.enter_context(tempfile.TemporaryDirectory())
        if server.on_redis:
            env["REDIS_URL"] = stack.enter_context(redis_server(data))
        process = subprocess.Popen(
            command, cwd=data, env=env, stdout=output, stderr=output, preexec_fn=in_child
        )
        try:
            _wait_until_it_listens(process, port, output)
            yield Running(server, port, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def redis_server(data: str) -> Iterator[str]:
    """On the core of the load, without persistence: what is measured is the server."""
    path = f"{data}/redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", data]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
    )
    try:
        yield f"unix://{path}"
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, output) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    output.seek(0)
    raise RuntimeError(f"It does not listen:\n{output.read().decode()[-2000:]}")
