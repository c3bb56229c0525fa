"""What one connection may make the server hold, before any key is looked at."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from tests.replies import Reply, Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import A_LOT, EVENTS, JSON, TIMEOUT, Client, Line, parse, spoken
from wire import bounded
from wire.app import MAX_BODY
from wire.bounded import MAX_FIELDS, MAX_HEAD, MAX_WAITING

GET = "GET {} HTTP/1.1\r\nHost: localhost\r\n"
HEALTH = GET.format("/health").encode() + b"\r\n"
ALIVE = '{"status":"🤙"}'.encode()


@pytest.fixture
def line(shared: Lastword) -> Iterator[Line]:
    with closing(Line(shared)) as line:
        yield line


# What is ordinary


def test_a_connection_that_is_kept_is_not_let_go(shared: Lastword, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bounded, "LINGER", 0)
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(shared.url + "/health", timeout=TIMEOUT).ok
        assert len(shared.server.server_state.connections) == 1


def test_a_get_with_the_largest_body(shared: Lastword):
    body = b'{"text": "hi"}'.ljust(MAX_BODY)
    answer = requests.request(
        "GET", shared.url + "/chat", data=body, headers={"Content-Type": JSON}, timeout=TIMEOUT
    )
    assert answer.text == "Hello there."


def test_a_connection_serves_any_number_of_requests(shared: Lastword, line: Line):
    """Nothing of one request counts for the next: not its head, not its body."""
    head = f"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\nX: {{}}\r\n"
    body = b'{"text": "hi"}'.ljust(MAX_BODY)
    for number in range(1, 5):
        line.send(head.format("x" * (MAX_HEAD // 2)).encode())
        line.send(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        line.read_until(b"\r\n0\r\n\r\n", number)
    for number in range(1, 5):
        line.send(HEALTH[:-2] + b"X: " + b"x" * (MAX_HEAD // 2) + b"\r\n\r\n")
        line.read_until(ALIVE, number)
    assert line.received.count(b"HTTP/1.1 200 OK") == 8


def test_a_body_in_many_small_pieces_with_a_trailer(line: Line, model: Upstream):
    model.script(Reply(tokens=spoken("Hello there.")))
    body = b'{"text": "hi"}'.ljust(3 * MAX_HEAD // 2)
    line.send(b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    line.send(b"Transfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(body), 512):
        line.send(b"200\r\n" + body[start : start + 512] + b"\r\n")
    line.send(b"0\r\nX-Checksum: 1\r\n\r\n" + HEALTH)
    assert b"Hello there." in line.read_until(ALIVE)


def test_pipelined_requests_are_answered_in_order(line: Line, model: Upstream):
    model.script(Reply(tokens=spoken("Hello there.")))
    paths = ("/health", "/chat?text=hi", "/ready")
    line.send(b"".join(GET.format(path).encode() + b"\r\n" for path in paths))
    received = line.read_until(b'{"ready":true}')
    positions = [received.find(word) for word in (ALIVE, b"Hello there.", b'{"ready":true}')]
    assert positions == sorted(positions)
    assert -1 not in positions


def test_requests_may_wait_for_a_long_answer(line: Line, model: Upstream):
    model.script(Stall(tokens=spoken("Hello there.")))
    line.send(GET.format("/chat?text=hi").encode() + b"\r\n" + HEALTH * MAX_WAITING)
    model.wait_for(lambda: model.open == 1)
    model.release()
    received = line.read_until(ALIVE, MAX_WAITING)
    assert 0 < received.find(b"Hello there.") < received.find(ALIVE)


# What is too much


@pytest.mark.parametrize(
    "start",
    ["GET /", "GET / HTTP/1.1\r\nX: ", "GET / HTTP/1.1\r\nX", "GET / HTTP/1.1\r\n"],
    ids=["an address", "a value", "a name", "many fields"],
)
@pytest.mark.parametrize("later", [False, True], ids=["at first", "on a connection in use"])
def test_a_head_that_never_ends(start: str, later: bool, shared: Lastword, line: Line):
    piece = b"x: 1\r\n" if start.endswith("\n") else b"x"
    if later:
        line.send(HEALTH)
        line.read_until(ALIVE)
    line.send(start.encode())
    assert line.flood(piece * 2000) < A_LOT


def test_trailers_that_never_end(line: Line):
    line.send(b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    line.send(b"2\r\nhi\r\n0\r\nX: ")
    assert line.flood(b"x" * 65536) < A_LOT


def test_a_head_that_is_too_large_is_told_so(line: Line):
    line.send(b"GET / HTTP/1.1\r\nX: ".ljust(MAX_HEAD, b"x"))
    line.send(b"x")
    received = line.read_to_end()
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.endswith(b"\r\n\r\nThe head of the request is too large.")


@pytest.mark.parametrize("start", ["GET /{}", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}"])
def test_a_head_is_not_larger_because_it_comes_at_once(start: str, line: Line):
    line.send(start.format("x" * MAX_HEAD).encode() + b" HTTP/1.1\r\n\r\n")
    assert line.read_to_end().startswith(b"HTTP/1.1 400 ")


def test_a_head_of_too_many_fields_is_told_so(line: Line):
    line.send(HEALTH[:-2] + b"x: 1\r\n" * (MAX_FIELDS - 1) + b"\r\n")
    line.read_until(ALIVE)
    line.send(HEALTH[:-2] + b"x: 1\r\n" * MAX_FIELDS + b"\r\n")
    assert b"HTTP/1.1 400 " in line.read_to_end()


def test_more_requests_than_may_wait(shared: Lastword, model: Upstream):
    """Nobody reads ten thousand answers: who asks is dropped, and the run knows."""
    model.script(Stall())
    with Client(shared, EVENTS, on_disconnect="cancel") as client:
        client.read_until(b"event: start")
        model.wait_for(lambda: model.open == 1)
        client.send(HEALTH * (MAX_WAITING + 1))
        client.read_to_end()
    assert b"HTTP/1.1 400" not in client.received, "it stood in the middle of the events"
    assert [event.name for event in parse(client.body)] == ["start"]
    model.wait_for(lambda: model.cancelled == 1)


@pytest.mark.parametrize("how", ["fin", "rst", "half"])
def test_a_client_that_leaves_with_a_request_waiting(how: str, shared: Lastword, model: Upstream):
    model.script(Stall())
    with Client(shared, EVENTS, on_disconnect="cancel") as client:
        client.read_until(b"event: start")
        model.wait_for(lambda: model.open == 1)
        client.send(HEALTH)
        client.leave(how)
        model.wait_for(lambda: model.cancelled == 1)


def test_nonsense_is_refused(line: Line):
    line.send(b"\x16\x03\x01\r\n\r\n")
    assert line.read_to_end().startswith(b"HTTP/1.1 400 ")
