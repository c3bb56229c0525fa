"""Clients that leave, come back, or stop reading: what becomes of their runs."""

from collections.abc import Callable
from contextlib import closing

import pytest
import requests

from tests.replies import Gate, Reply, Stall
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import (
    A_LOT,
    EVENTS,
    TEXT,
    TIMEOUT,
    WIRES,
    Client,
    Leaving,
    Line,
    answer_of,
    get,
    only_run,
    parse,
    spoken,
)
from wire import live

WAYS: tuple[Leaving, ...] = ("fin", "rst", "half")
MEGABYTES = spoken(*["0123456789abcdef" * 4096] * 192)
"""12 MiB: more than the buffers of two sockets take."""


def hears(client: Client, wire: str, word: str) -> None:
    """On the wires that stream, it has arrived; on the other, nothing can."""
    if wire in {TEXT, EVENTS}:
        client.read_until(word.encode())


# Policies


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("after", [0, 2], ids=["before the first token", "in the answer"])
def test_cancel(after: int, wire: str, how: Leaving, shared: Lastword, model: Upstream):
    model.script(Stall(tokens=spoken("Begun", "never said"), after=after))
    with Client(shared, wire, on_disconnect="cancel") as client:
        model.wait_for(lambda: model.open == 1)
        run = only_run(shared)
        if after:
            hears(client, wire, "Begun")
            wait_for(lambda: get(shared, f"/runs/{run}").json()["answer"] == "Begun")
        client.leave(how)
        model.wait_for(lambda: model.cancelled == 1)
        shared.wait_until_idle()
    seen = get(shared, f"/runs/{run}").json()
    assert (seen["state"], seen["answer"]) == ("cancelled", "Begun" if after else "")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("after", [0, 2], ids=["before the first token", "in the answer"])
def test_continue(after: int, wire: str, shared: Lastword, model: Upstream):
    stall = model.script(Stall(tokens=spoken("All ", "of it"), after=after))
    with Client(shared, wire, on_disconnect="continue") as client:
        model.wait_for(lambda: model.open == 1)
        run = only_run(shared)
        if after:
            hears(client, wire, "All ")
        client.leave("rst")
    wait_for(lambda: readers(shared, run) == 0)
    stall.gate.release()
    shared.wait_until_idle()
    seen = get(shared, f"/runs/{run}").json()
    assert (seen["state"], seen["answer"]) == ("completed", "All of it")
    assert model.cancelled == 0


@pytest.mark.parametrize("wire", WIRES)
def test_patience_comes_to_an_end(wire: str, shared: Lastword, model: Upstream):
    model.script(Stall())
    with Client(shared, wire, on_disconnect=0.1) as client:
        model.wait_for(lambda: model.open == 1)
        client.leave("fin")
    model.wait_for(lambda: model.cancelled == 1)
    shared.wait_until_idle()


def test_the_servers_policy_is_for_who_says_nothing(
    serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(on_disconnect="cancel")
    upstream.script(Stall())
    with Client(lastword) as client:
        upstream.wait_for(lambda: upstream.open == 1)
        client.leave("fin")
    upstream.wait_for(lambda: upstream.cancelled == 1)
    lastword.wait_until_idle()


def test_who_comes_back_in_time_finds_the_run_alive(
    serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(heartbeat=0.2)
    stall = upstream.script(Stall(tokens=spoken("Here ", "still"), after=2))
    with Client(lastword, EVENTS, on_disconnect=0.5) as client:
        client.read_until(b"Here ")
        run = only_run(lastword)
        client.leave("rst")
    path = f"/runs/{run}/events"
    with Client(lastword, EVENTS, method="GET", path=path) as client:
        while client.received.count(b": heartbeat\n") < 5:  # twice as long as it would have lived
            assert client.read()
        assert lastword.active == 1
        stall.gate.release()
        client.read_until(b"0\r\n\r\n")
    assert answer_of(parse(client.body)) == "Here still"
    assert upstream.cancelled == 0


def test_one_reader_is_enough(shared: Lastword, model: Upstream):
    stall = model.script(Stall(tokens=spoken("Here ", "still"), after=2))
    with Client(shared, EVENTS, on_disconnect="cancel") as first:
        first.read_until(b"Here ")
        run = only_run(shared)
        with Client(shared, EVENTS, method="GET", path=f"/runs/{run}/events") as second:
            second.read_until(b"Here ")
            first.leave("fin")
            wait_for(lambda: readers(shared, run) == 1)
            stall.gate.release()
            second.read_until(b"event: end")
    assert model.cancelled == 0


def test_looking_once_does_not_keep_a_run(shared: Lastword, model: Upstream):
    """Only who follows is a reader."""
    model.script(Stall())
    with Client(shared, EVENTS, on_disconnect=0.1) as client:
        client.read_until(b"event: start")
        run = only_run(shared)
        client.leave("fin")
        wait_for(lambda: get(shared, f"/runs/{run}").json()["state"] == "cancelled")


def test_a_crowd_that_leaves_takes_nothing_with_it(shared: Lastword, model: Upstream):
    model.default = lambda _: Stall(tokens=spoken("Begun", "never said"), after=2)
    clients = [Client(shared, WIRES[n % 3], on_disconnect=("cancel", 0)[n % 2]) for n in range(24)]
    model.wait_for(lambda: model.open == 24)
    for n, client in enumerate(clients):
        client.leave(WAYS[n % 3])
    model.wait_for(lambda: model.cancelled == 24)
    shared.wait_until_idle()
    for client in clients:
        client.__exit__()
    wait_for(lambda: not shared.runner._audiences)
    wait_for(lambda: not shared.runner._tasks._tasks)


# Readers that stop reading


def test_a_slow_reader_does_not_slow_the_run(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=MEGABYTES))
    with Client(shared, EVENTS, receive_buffer=4096) as client:
        model.wait_for(lambda: model.requests and model.requests[0].ended, 30)
        shared.wait_until_idle(30)
        client.read_until(b"event: end")
    assert answer_of(parse(client.body)) == "".join(MEGABYTES[1:-1])


def test_a_reader_that_takes_nothing_is_dropped_and_can_resume(
    shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    gate = Gate()
    model.script(Stall(tokens=MEGABYTES, after=len(MEGABYTES), gate=gate))
    with Client(shared, EVENTS, receive_buffer=4096, on_disconnect="continue") as client:
        with monkeypatch.context() as impatient:
            impatient.setattr(live, "SEND_TIMEOUT", 0.2)
            client.read_until(b"event: start")
            run = only_run(shared)
            wait_for(lambda: readers(shared, run) == 0, 30)
        assert b"\r\n0\r\n\r\n" not in client.read_to_end(), "it looks complete"
    seen = parse(client.body)
    gate.release()
    path = f"{shared.url}/runs/{run}/events"
    rest = parse(requests.get(path, params={"after": seen[-1].id}, timeout=TIMEOUT).content)
    assert rest[-1].name == "end"
    assert answer_of(seen) + answer_of(rest) == "".join(MEGABYTES[1:-1])


def readers(lastword: Lastword, run: str) -> int:
    return lastword.runner._audiences[run]._readers


# Sending on while the answer comes


def test_a_body_without_end_beside_a_stream(
    caplog: pytest.LogCaptureFixture, shared: Lastword, model: Upstream
):
    """It is over the limit only when the answer has begun: to us its client has left."""
    stall = model.script(Stall())
    with Client(shared, EVENTS, on_disconnect="continue") as asking:
        asking.read_until(b"event: start")
        path = f"/runs/{only_run(shared)}/events"
        with closing(Line(shared)) as line:
            line.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n".encode())
            line.send(b"Transfer-Encoding: chunked\r\n\r\n")
            line.read_until(b"event: start")
            assert line.flood(b"10000\r\n" + b"x" * 65536 + b"\r\n") < A_LOT
        stall.gate.release()
        asking.read_until(b"event: end")
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said == []
