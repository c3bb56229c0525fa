"""The gRPC server: beside the HTTP one, in every process, told when it cannot be, ended well."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

import application
import factory
import main
from settings import Settings
from stream.errors import Forbidden
from tests.commands import MAIN, TIMEOUT, environment, lastword
from tests.redis_server import RedisServer, redis_server
from tests.replies import Stall
from tests.serving import Lastword, free_port, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import get, spoken
from tests.wire.rpc.clients import GENERATED, ROOT, Client, run_of, text_of, told
from tests.wire.rpc.clients import address as address_of
from wire.access import Access
from wire.rpc.chat import _address
from wire.rpc.lastword.v1 import chat_pb2 as pb
from wire.rpc.port import address

Start = Callable[..., tuple[Lastword, Client]]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def redis_of_its_own() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


# Health


def stub_of(client: Client) -> health_pb2_grpc.HealthStub:
    return health_pb2_grpc.HealthStub(client.channel)


def asked(service: str = "") -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


def test_health(client: Client):
    health = stub_of(client)
    for service in ("", "lastword.v1.Chat"):
        assert health.Check(asked(service), timeout=TIMEOUT).status == SERVING
    with pytest.raises(grpc.RpcError) as refused:
        health.Check(asked("other"), timeout=TIMEOUT)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    for service, status in (("", SERVING), ("other", UNKNOWN)):
        watching = health.Watch(asked(service), timeout=TIMEOUT)
        assert next(watching).status == status
        watching.cancel()


def test_health_needs_no_key(start: Start):
    _, client = start(api_keys="key")
    assert stub_of(client).Check(asked(), timeout=TIMEOUT).status == SERVING


def test_who_only_watches_takes_nobodys_place(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wire.rpc.health.MAX_WATCHERS", 2)
    _, client = start()
    health = stub_of(client)
    watching = [health.Watch(asked(), timeout=TIMEOUT) for _ in "12"]
    assert [next(each).status for each in watching] == [SERVING, SERVING]
    assert told(health.Watch(asked(), timeout=TIMEOUT)).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    watching[0].cancel()
    wait_for(lambda: not told_nothing(health))
    watching[1].cancel()


def told_nothing(health: Any) -> bool:
    """Whether there is no room for one more."""
    another = health.Watch(asked(), timeout=TIMEOUT)
    try:
        return next(another).status != SERVING
    except grpc.RpcError:
        return True
    finally:
        another.cancel()


def test_the_log_is_away_for_a_while(start: Start, redis_of_its_own: RedisServer):
    lastword, client = start(redis_url=redis_of_its_own.url)
    health = stub_of(client)
    wait_for(lambda: get(lastword, "/ready").ok)
    watching = health.Watch(asked(), timeout=TIMEOUT)
    assert next(watching).status == SERVING
    redis_of_its_own.kill()
    assert next(watching).status == NOT_SERVING
    assert health.Check(asked(), timeout=TIMEOUT).status == NOT_SERVING
    redis_of_its_own.start()
    assert next(watching).status == SERVING
    watching.cancel()


# The end


def test_runs_may_end_while_the_server_stops(start: Start, upstream: Upstream):
    lastword, client = start(drain=60)
    stall = upstream.script(Stall(tokens=spoken("To the ", "end"), after=2))
    watching = stub_of(client).Watch(asked(), timeout=TIMEOUT)
    assert next(watching).status == SERVING
    call = client.sending()
    answers = [next(call), next(call)]
    lastword.server.should_exit = True
    assert next(watching).status == NOT_SERVING
    refused = client.send()
    assert (refused.code, refused.trailers["lastword-code"]) == (UNAVAILABLE, "server_shutdown")
    stall.gate.release()
    assert text_of([*answers, *call]) == "To the end"
    assert told(watching).code is UNAVAILABLE
    wait_for(lambda: not lastword.thread.is_alive())


@contextmanager
def process(command: Sequence[str], data: Path, **settings: Any) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=data,
        env=environment(data, port=0, **settings)
        | ({"REDIS_URL": url} if (url := settings.pop("redis_url", "")) else {}),
    ) as running:
        try:
            yield running
        finally:
            running.terminate()  # a supervisor that is killed leaves its workers behind
            try:
                running.communicate(timeout=TIMEOUT)
            finally:
                running.kill()


def test_a_signal_ends_all_streams(tmp_path: Path, upstream: Upstream):
    """uvloop, as in production, and fifty clients."""
    upstream.default = lambda _: Stall(tokens=spoken("Begun", "never said"), after=2)
    model = {"openai_base_url": upstream.url, "protocol": "json_chat"}
    with ExitStack() as stack:
        server = stack.enter_context(process(MAIN, tmp_path, grpc_port=0, drain=0, **model))
        assert server.stdout
        where = server.stdout.readline()
        assert re.fullmatch(r"gRPC  127\.0\.0\.1:[1-9]\d*\n", where)
        channel = stack.enter_context(grpc.insecure_channel(where.split()[1]))
        calls = [Client(channel).sending() for _ in range(50)]
        for call in calls:
            assert text_of([next(call), next(call)]) == "Begun"
        server.send_signal(signal.SIGTERM)
        for call in calls:
            ended = told(call)
            assert (ended.code, ended.answers) == (UNAVAILABLE, [])
            assert ended.trailers["lastword-code"] == "server_shutdown"
        _, errors = server.communicate(timeout=TIMEOUT)
        assert (server.returncode, errors) == (0, "")


# Several processes


def test_another_process_goes_on(start: Start, upstream: Upstream, redis_of_its_own: RedisServer):
    settings = {"redis_url": redis_of_its_own.url, "drain": 0}
    _, here = start(**settings)
    other, there = start(**settings)
    stall = upstream.script(Stall(tokens=spoken("One ", "two ", "three."), after=3))
    call = here.sending()
    answers = [next(call)]
    while text_of(answers) != "One two ":
        answers.append(next(call))
    run_id = run_of(call)
    following = there.stub.Resume(pb.ResumeRequest(run_id=run_id), timeout=TIMEOUT)
    assert [next(following) for _ in answers] == answers
    other.server.should_exit = True
    left = told(following)
    assert (left.code, left.trailers["lastword-code"]) == (UNAVAILABLE, "server_shutdown")
    stall.gate.release()
    rest = here.resume(run_id, answers[-1].cursor)
    assert text_of([*answers, *rest.answers]) == "One two three."
    assert rest.answers == list(call)


def test_a_log_whose_beginning_is_no_longer_kept(start: Start, redis_of_its_own: RedisServer):
    _, client = start(redis_url=redis_of_its_own.url)
    whole = client.send()
    run_id = whole.names["x-run-id"]
    with redis.Redis.from_url(redis_of_its_own.url) as connection:
        connection.xtrim(f"lastword:log:{run_id}", maxlen=2, approximate=False)
    gone = client.resume(run_id)
    assert (gone.code, gone.trailers["lastword-code"]) == (grpc.StatusCode.OUT_OF_RANGE, "gone")
    assert client.resume(run_id, whole.answers[-2].cursor).answers == whole.answers[-1:]
    assert client.resume(run_id, whole.answers[-1].cursor).code is grpc.StatusCode.OK


UVICORN = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), "--log-level", "error"]
PATIENT = ["--timeout-worker-healthcheck", "60"]
"""uvicorn kills workers that need longer to begin, which on a busy machine is for ever."""
WORKERS = [*UVICORN, *PATIENT, "--workers", "2", "--port", "0", "main:app"]


def test_workers_share_the_port(tmp_path: Path, redis_of_its_own: RedisServer):
    port = free_port()
    settings = {"grpc_port": port, "redis_url": redis_of_its_own.url}
    with process(WORKERS, tmp_path, **settings) as servers:
        assert servers.stdout
        lines = [servers.stdout.readline() for _ in range(2)]
        assert lines == [f"gRPC  127.0.0.1:{port}\n"] * 2, "one of each"
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each
        with ExitStack() as stack:
            clients = [
                Client(stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}", options)))
                for _ in range(8)
            ]
            runs = [client.send("2 + 2") for client in clients]
            for run, client in zip(runs, reversed(clients), strict=True):
                assert run.text == "2 + 2 is 4."
                assert client.resume(run.names["x-run-id"]).answers == run.answers


def test_two_servers_at_one_port(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    settings = Settings(
        _env_file=None, model="offline", data=tmp_path, grpc_port=(port := free_port())
    )

    async def both() -> None:
        one, other = (application.build_app(settings, workers=2) for _ in "12")
        application.require_grpc(settings, 2, alone=False)
        async with one.router.lifespan_context(one), other.router.lifespan_context(other):
            application.require_grpc(settings, 2, alone=False)
            with pytest.raises(factory.BadSetting, match=rf"{port}: Address already in use\."):
                application.require_grpc(settings, 2, alone=True)

    asyncio.run(both())
    assert capfd.readouterr() == (f"gRPC  127.0.0.1:{port}\n" * 2, "")


# What cannot be


def test_a_port_in_use(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = lastword(data=tmp_path, port=0, grpc_port=port)
    said = f"LASTWORD_GRPC_PORT: 127.0.0.1, port {port}: Address already in use.\n"
    assert (done.stderr.decode(), done.stdout, done.returncode) == (said, b"", 1)


def test_a_port_that_is_lost_at_the_last_moment(tmp_path: Path):
    """What was opened before is closed again."""

    async def open_on(port: int) -> None:
        settings = Settings(_env_file=None, model="offline", data=tmp_path, grpc_port=port)
        app = application.build_app(settings)
        async with app.router.lifespan_context(app):
            pytest.fail("it is taken")

    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(RuntimeError, match="Failed to bind"),
    ):
        asyncio.run(open_on(taken.getsockname()[1]))


def test_a_page_cannot_ask(shared: Lastword, model: Upstream):
    """Browsers speak HTTP/2 only over TLS, and nothing else is understood here."""
    url = f"http://{address_of(shared)}/lastword.v1.Chat/Send"
    with pytest.raises(requests.RequestException):
        requests.post(url, data=b"\0\0\0\0\4\x0a\2hi", timeout=TIMEOUT)
    assert model.requests == []


@pytest.mark.parametrize("heartbeat", [0.0001, 1e300])
def test_any_heartbeat_will_do(heartbeat: float, start: Start):
    assert start(heartbeat=heartbeat)[1].send().text == "Hello there."


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LASTWORD_DATA", str(tmp_path))
    monkeypatch.setenv("LASTWORD_MODEL", "offline")
    monkeypatch.setenv("LASTWORD_GRPC_PORT", "0")
    vars(main).pop("app", None)
    return monkeypatch


COMMANDS: dict[str, Callable[[], Any]] = {
    "main.py": lambda: main.cli([]),
    "uvicorn": lambda: main.app,
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_extra_is_missing(command: Callable[[], Any], env: pytest.MonkeyPatch):
    env.setitem(sys.modules, "grpc", None)
    env.delitem(sys.modules, "wire.rpc.server", raising=False)
    with pytest.raises(SystemExit) as refused:
        command()
    assert refused.value.code == (
        "LASTWORD_GRPC_PORT wants the extra `lastword[grpc]`: grpc is not installed."
    )


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_other_machines_are_not_served_by_accident(
    command: Callable[[], Any], env: pytest.MonkeyPatch
):
    env.setenv("LASTWORD_HOST", "0.0.0.0")
    with pytest.raises(SystemExit, match=r"LASTWORD_API_KEYS .*0\.0\.0\.0.* LASTWORD_ANONYMOUS"):
        command()


def test_workers_must_know_their_port(env: pytest.MonkeyPatch):
    env.setenv("REDIS_URL", "redis://localhost")
    with pytest.raises(SystemExit, match="LASTWORD_GRPC_PORT: several workers must know"):
        main.cli(["--workers", "2"])


def test_no_port_is_no_server(env: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    env.setenv("LASTWORD_GRPC_PORT", "")
    app = main.app
    vars(main).pop("app", None)

    async def up() -> None:
        async with app.router.lifespan_context(app):
            assert not hasattr(app.state, "grpc_port")

    asyncio.run(up())
    assert capfd.readouterr() == ("", "")


# Who calls from where


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:127.0.0.1:50000", "127.0.0.1"),
        ("ipv6:%5B::1%5D:50000", "::1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50000", "fe80::1%eth0"),
        ("unix:/tmp/x", ""),
        ("", ""),
    ],
)
def test_the_address_of_a_peer(peer: str, host: str):
    assert _address(peer) == host


def test_without_keys_only_this_machine():
    assert Access().caller("", "127.0.0.1") == Access().caller("", "::1") == "anonymous"
    assert Access(anonymous=True).caller("", "192.0.2.1") == "anonymous"
    for address_ in ("192.0.2.1", "0.0.0.0", "fe80::1%eth0", ""):
        with pytest.raises(Forbidden):
            Access().caller("Bearer x", address_)


def test_addresses():
    assert address("::1", 1) == "[::1]:1"
    assert address("localhost", 1) == "localhost:1"


# The code made from the .proto


def test_it_is_up_to_date(tmp_path: Path):
    subprocess.run([ROOT / "scripts" / "proto", tmp_path], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.py*"))
    assert len(made) == 3
    for path in made:
        assert (tmp_path / path).read_text() == (GENERATED / path).read_text(), "run scripts/proto"


def test_it_warns_of_nothing():
    code = "import wire.rpc.server, wire.rpc.lastword.v1.chat_pb2_grpc"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
