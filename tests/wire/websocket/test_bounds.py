"""What one socket may make the server hold or do; and the end of the server itself."""

import asyncio
import base64
import json
import os
import random
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.exceptions import InvalidStatus

from tests.commands import MAIN, environment
from tests.replies import Stall
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, JSON, TIMEOUT, Line, only_run, spoken
from tests.wire.test_disconnect import MEGABYTES
from tests.wire.websocket.talk import Talk, answer_of, kinds, talking, until
from wire import bounded_socket, live
from wire.bounded_socket import MAX_FRAME, MAX_FRAMES
from wire.websocket.endpoint import MAX_AT_ONCE

pytestmark = pytest.mark.anyio


class Address(NamedTuple):
    """Of a server that is a process of its own."""

    url: str


TEXT, PING, PONG, CONTINUATION = 1, 9, 10, 0
FIN = 0x80


@pytest.fixture
def line(shared: Lastword) -> Iterator[Line]:
    """A socket of which the test writes every byte."""
    with closing(Line(shared)) as line:
        open_socket(line)
        yield line


def open_socket(line: Line, path: str = "/ws", mark: bytes = b"\r\n\r\n") -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    line.send(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    line.read_until(mark)


def frame(opcode: int, payload: bytes = b"", fin: int = FIN) -> bytes:
    assert len(payload) < 126
    return bytes([opcode | fin, 0x80 | len(payload)]) + bytes(4) + payload


def closing_frame(code: int) -> bytes:
    """How it ends, without its length and reason."""
    return struct.pack("!H", code)


# Too much


async def test_binary_frames(shared: Lastword):
    async with talking(shared) as talk:
        await talk.connection.send(b"{}")
        assert await talk.closed() == 1003


async def test_the_largest_frame(shared: Lastword):
    async with talking(shared) as talk:
        await talk.connection.send('{"type":"ping"}'.ljust(MAX_FRAME))
        assert await talk.hear() == {"type": "pong"}


async def test_a_frame_that_is_too_large(shared: Lastword):
    async with talking(shared) as talk:
        await talk.connection.send(" " * (MAX_FRAME + 1))
        assert await talk.closed() == 1009


async def test_a_frame_that_another_server_would_take(
    shared: Lastword, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shared.server.config, "ws_max_size", 2**24)
    async with talking(shared) as talk:
        await talk.connection.send(" " * (MAX_FRAME + 1))
        assert await talk.closed() == 1009


async def test_too_many_runs(shared: Lastword, model: Upstream):
    model.default = lambda _: Stall()
    async with talking(shared) as talk:
        for _ in range(MAX_AT_ONCE):
            await talk.begin(on_disconnect="cancel")
        await talk.say("ping")
        assert await talk.hear() == {"type": "pong"}
        await talk.say("ask", text="one more")
        assert await talk.closed() == 1008
    await until(lambda: shared.active == 0)


def test_too_many_cancels(line: Line, shared: Lastword, model: Upstream):
    model.script(Stall())
    line.send(frame(TEXT, b'{"type":"ask","text":"hi"}'))
    line.read_until(b'"type":"start"')
    cancel = json.dumps({"type": "cancel", "run_id": only_run(shared)})
    line.send(frame(TEXT, cancel.encode()) * (MAX_AT_ONCE + 1))  # heard before the first is done
    assert closing_frame(1008) + b"Too many runs at once." in line.read_until(b"at once.")
    line.close()
    shared.wait_until_idle()


FLOODS = {
    "pings": frame(PING),
    "pongs": frame(PONG),
    "words": frame(TEXT, b'{"type":"ping"}'),
    "nothing": frame(TEXT),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_frames(
    flood: bytes, line: Line, shared: Lastword, caplog: pytest.LogCaptureFixture
):
    line.send(flood * (2 * MAX_FRAMES))
    assert closing_frame(1008) + b"Too many frames at once." in line.read_to_end()
    line.close()
    wait_for(lambda: not shared.server.server_state.tasks)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_message_in_endless_pieces(line: Line):
    line.send(frame(TEXT, fin=0))
    for number in range(1, 4):  # each of them harmless
        line.send(frame(CONTINUATION, fin=0) * (MAX_FRAMES // 4) + frame(PING, b"%d" % number))
        line.read_until(b"\x8a\x01%d" % number)
    line.send(frame(CONTINUATION, fin=0) * (MAX_FRAMES // 2))
    assert closing_frame(1008) in line.read_to_end()


def test_a_message_in_pieces(line: Line):
    whole = b'{"type":"ping","id":"pieces"}'
    line.send(frame(TEXT, whole[:5], fin=0) + frame(PING, b"between"))
    line.send(frame(CONTINUATION, whole[5:]))
    line.read_until(b'{"type":"pong","id":"pieces"}')
    assert b"\x8a\x07between" in line.received


def test_text_that_is_none(line: Line):
    line.send(frame(TEXT, b"\xff"))
    assert closing_frame(1007) in line.read_to_end()


def test_after_the_last_word_nothing_is_heard(line: Line):
    """What still arrives does no harm, and does not unsay why the socket was closed."""
    line.send(frame(TEXT, b"x", fin=0) + frame(TEXT, b"x"))
    line.read_until(closing_frame(1002))
    line.send(frame(TEXT, b'{"type":"ping"}') * 10)
    assert b"pong" not in line.read_to_end()


# A handshake that is none


async def test_a_head_that_is_too_large(shared: Lastword):
    with pytest.raises(InvalidStatus) as refusal:
        async with talking(shared, additional_headers={"X": "x" * 9000}):
            pass
    assert refusal.value.response.status_code == 431


def test_an_address_that_is_none(shared: Lastword):
    with closing(Line(shared)) as line:
        open_socket(line, path="/w\xe9")
        assert line.received.startswith(b"HTTP/1.1 400 ")


def test_beside_an_answer_that_is_under_way(shared: Lastword, model: Upstream):
    """Who does that has left."""
    model.script(Stall())
    with closing(Line(shared)) as line:
        body = b'{"text":"hi","on_disconnect":"cancel"}'
        line.send(
            f"POST /chat HTTP/1.1\r\nHost: localhost\r\nAccept: {EVENTS}\r\n"
            f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        line.read_until(b"event: start")
        model.wait_for(lambda: model.open == 1)
        with pytest.raises((AssertionError, ConnectionError)):
            open_socket(line, mark=b"HTTP/1.1 101 ")
        model.wait_for(lambda: model.cancelled == 1)


def test_after_an_answer(shared: Lastword):
    with closing(Line(shared)) as line:
        line.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        line.read_until("🤙".encode())
        open_socket(line, mark=b"HTTP/1.1 101 ")
        line.send(frame(TEXT, b'{"type":"ping"}'))
        line.read_until(b'{"type":"pong"}')


def test_another_address(shared: Lastword):
    with closing(Line(shared)) as line:
        open_socket(line, path="/nothing")
        assert line.received.startswith(b"HTTP/1.1 403 ")


# Clients that take nothing


async def test_a_slow_reader_slows_neither_its_run_nor_others(shared: Lastword, model: Upstream):
    long = model.script(Stall(tokens=MEGABYTES, after=0))
    async with talking(shared, max_queue=1) as slow, talking(shared) as other:
        await slow.begin(id="long")
        await model.until(lambda: model.open == 1)
        model.script(Stall())
        silent = await slow.begin(id="silent")
        long.gate.release()
        await until(lambda: model.requests[0].ended)
        assert answer_of(await other.ask()) == "Hello there."
        await slow.say("cancel", run_id=silent)  # it is heard, though not answered
        await until(lambda: shared.active == 0)
        frames = await slow.hear_until("end")
        while {"over", "end"} - set(kinds(frames)) or kinds(frames).count("end") < 2:
            frames.append(await slow.hear())
    assert answer_of(frames) == "".join(MEGABYTES[1:-1])


async def test_a_reader_that_takes_nothing_is_dropped_and_can_resume(
    shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    stall = model.script(Stall(tokens=MEGABYTES, after=len(MEGABYTES)))
    async with talking(shared, max_queue=1) as talk:
        with monkeypatch.context() as impatient:
            impatient.setattr(live, "SEND_TIMEOUT", 0.2)
            run = await talk.begin(on_disconnect="continue")
            audience = shared.runner._audiences[run]
            await until(lambda: not audience.is_there)
        seen = [frame async for frame in talk.heard()]
    stall.gate.release()
    async with talking(shared) as talk:
        await talk.say("resume", run_id=run, after=seen[-1]["cursor"])
        rest = await talk.hear_until("end")
    assert answer_of(seen) + answer_of(rest) == "".join(MEGABYTES[1:-1])


@pytest.mark.parametrize("noticed_by", ["the deadline", "the heartbeat"])
async def test_a_reader_that_takes_nothing_at_all_is_forgotten(
    noticed_by: str, shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    """Closing alone would wait for it."""
    if noticed_by == "the deadline":
        monkeypatch.setattr(live, "SEND_TIMEOUT", 0.2)
    else:
        monkeypatch.setattr(shared.server.config, "ws_ping_interval", 0.05)
        monkeypatch.setattr(shared.server.config, "ws_ping_timeout", 0.2)
    monkeypatch.setattr(bounded_socket, "CLOSE_TIMEOUT", 0.2)
    stall = model.script(Stall(tokens=MEGABYTES, after=len(MEGABYTES)))
    with closing(Line(shared)) as line:
        open_socket(line)
        line.send(frame(TEXT, b'{"type":"ask","text":"hi","on_disconnect":"cancel"}'))
        await model.until(lambda: model.cancelled == 1)
        await until(lambda: not sockets(shared))
    stall.gate.release()


def test_who_does_not_answer_pings_has_gone(
    shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shared.server.config, "ws_ping_interval", 0.05)
    monkeypatch.setattr(shared.server.config, "ws_ping_timeout", 0.2)
    model.script(Stall())
    with closing(Line(shared)) as line:
        open_socket(line)
        line.send(frame(TEXT, b'{"type":"ask","text":"hi","on_disconnect":"cancel"}'))
        line.read_until(b"\x89\x04")
        assert closing_frame(1011) in line.read_to_end()
        model.wait_for(lambda: model.cancelled == 1)


def test_who_answers_pings_stays(shared: Lastword, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shared.server.config, "ws_ping_interval", 0.02)
    with closing(Line(shared)) as line:
        open_socket(line)
        line.received = b""
        for number in range(1, 5):
            line.read_until(b"\x89\x04", number)
            at = line.received.rindex(b"\x89\x04") + 2
            while len(line.received) < at + 4:
                line.read_until(b"", 1)
            line.send(frame(PONG, line.received[at : at + 4]))
        line.send(frame(TEXT, b'{"type":"ping"}'))
        line.read_until(b'{"type":"pong"}')


# Leaving


def sockets(lastword: Lastword) -> list[object]:
    state = lastword.server.server_state
    return [each for each in state.connections if isinstance(each, bounded_socket.BoundedSocket)]


def leave_at_once(talk: Talk) -> None:
    """An RST."""
    raw = talk.connection.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.connection.transport.abort()


async def test_a_hundred_sockets_leave_nothing(
    shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("agent.audience.ARRIVAL", 0.1)  # whoever asks may be gone by then
    model.default = lambda _: Stall(tokens=spoken("Begun", "never said"), after=2)
    loop = shared.server.servers[0].get_loop()
    chance = random.Random(4711)

    async def visit(number: int) -> None:
        async with talking(shared) as talk:
            for _ in range(chance.randrange(3)):
                await talk.say("ask", text="hi", on_disconnect=chance.choice(["cancel", 0]))
            if number % 3 == 0:
                await talk.say("ping")
                await talk.hear_until("pong")
            if number % 2:
                leave_at_once(talk)

    before = len(asyncio.all_tasks(loop))
    for start in range(0, 100, 20):
        async with asyncio.TaskGroup() as visits:
            for number in range(start, start + 20):
                visits.create_task(visit(number))
    # Long before the model is given up for its silence.
    await asyncio.to_thread(wait_for, lambda: shared.active == 0, 15)
    await until(lambda: model.open == 0)
    await until(lambda: not sockets(shared))
    await until(lambda: not shared.runner._audiences)
    await until(lambda: len(asyncio.all_tasks(loop)) <= before)


async def test_the_last_to_leave_ends_the_run(shared: Lastword, model: Upstream):
    model.script(Stall())
    async with talking(shared) as second:
        async with talking(shared) as first:
            run = await first.begin(on_disconnect="cancel")
            await model.until(lambda: model.open == 1)
            await second.say("resume", run_id=run)
            assert (await second.hear())["type"] == "start"
        await until(lambda: shared.runner._audiences[run]._readers == 1)
        assert model.cancelled == 0
    await model.until(lambda: model.cancelled == 1)


# The server goes down


async def test_everybody_is_told_when_the_server_goes_down(
    serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve()
    upstream.default = lambda _: Stall(tokens=spoken("Begun", "never said"), after=2)
    async with talking(lastword) as idle, talking(lastword) as talk:
        for _ in range(2):
            await talk.begin()
            assert answer_of([await talk.hear()]) == "Begun"
        loop = lastword.server.servers[0].get_loop()
        lastword.server.should_exit = True
        wait_for(lambda: not lastword.server.servers[0].is_serving())
        assert await idle.closed() == 1012
        await talk.say("ping")
        assert await talk.hear() == {"type": "pong"}, "its runs go on, and it is heard"
        loop.call_soon_threadsafe(lastword.runner.shut_down)
        for _ in range(2):
            failed = await talk.hear()
            assert (failed["type"], failed["code"]) == ("failed", "server_shutdown")
        assert await talk.closed() == 1012


async def test_the_last_word_comes_after_all_others(
    serve: Callable[..., Lastword], upstream: Upstream
):
    """However much of that is still on its way."""
    lastword = serve()
    upstream.script(Stall(tokens=MEGABYTES, after=len(MEGABYTES)))
    async with talking(lastword, max_queue=1) as talk:
        await talk.begin()
        await upstream.until(lambda: [r.sent for r in upstream.requests] == [len(MEGABYTES)])
        lastword.server.should_exit = True
        loop = lastword.server.servers[0].get_loop()
        loop.call_soon_threadsafe(lastword.runner.shut_down)
        await until(lambda: lastword.active == 0)
        frames = [frame async for frame in talk.heard()]
        assert (frames[-1]["type"], frames[-1]["code"]) == ("failed", "server_shutdown")
        assert await talk.closed() == 1012


async def test_who_was_sent_away_is_not_waited_for(serve: Callable[..., Lastword]):
    lastword = serve()
    with closing(Line(lastword)) as line:
        open_socket(line)
        line.send(frame(2, b"binary"))
        await asyncio.to_thread(line.read_until, closing_frame(1003))
        lastword.server.should_exit = True
        await asyncio.to_thread(line.read_to_end)


@pytest.fixture
def process(tmp_path: Path, upstream: Upstream) -> Iterator[subprocess.Popen[str]]:
    upstream.default = lambda _: Stall(tokens=spoken("Begun", "never said"), after=2)
    settings = {"port": 0, "openai_base_url": upstream.url, "protocol": "json_chat"}
    with subprocess.Popen(
        MAIN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(tmp_path, **settings),
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_signal_ends_a_process_with_open_sockets(process: subprocess.Popen[str]):
    assert process.stdout
    there = Address((await asyncio.to_thread(process.stdout.readline)).split()[-1].rstrip("/"))
    async with talking(there) as idle, talking(there) as talk:
        for _ in range(3):
            await talk.begin()
            assert answer_of([await talk.hear()]) == "Begun"
        process.send_signal(signal.SIGTERM)
        for _ in range(3):
            assert (await talk.hear())["code"] == "server_shutdown"
        assert await talk.closed() == 1012
        assert await idle.closed() == 1012
    _, errors = await asyncio.to_thread(process.communicate, timeout=TIMEOUT)
    assert (process.returncode, errors) == (0, "")
