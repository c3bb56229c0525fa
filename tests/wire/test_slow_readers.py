"""A crowd that takes nothing is dropped at the deadline, and nobody else notices."""

import pytest
import requests

from tests.replies import Stall
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, TIMEOUT, Client, answer_of, only_run, parse, spoken
from wire import bounded, live

CROWD = 200
PIECES = [f"{n:06}" + "x" * 4090 for n in range(1024)]
"""4 MiB: more than the buffers of two sockets take."""


def test_a_crowd_that_takes_nothing_is_dropped_and_can_resume(
    shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    begun = model.script(Stall(tokens=spoken("Begun", *PIECES), after=2))
    with Client(shared, EVENTS) as healthy, monkeypatch.context() as impatient:
        healthy.read_until(b"Begun")
        run = only_run(shared)
        impatient.setattr(live, "SEND_TIMEOUT", 1.0)
        impatient.setattr(bounded, "LINGER", 0.1)
        path = f"/runs/{run}/events"
        crowd = [
            Client(shared, EVENTS, method="GET", path=path, receive_buffer=4096)
            for _ in range(CROWD)
        ]
        for client in crowd:
            client.read_until(b"Begun")
        audience = shared.runner._audiences[run]
        assert audience._readers == CROWD + 1
        begun.gate.release()
        assert answer_of(parse(whole(healthy))) == "Begun" + "".join(PIECES)
        wait_for(lambda: audience._readers == 0, 30)
        wait_for(lambda: not shared.server.server_state.connections)
    for client in crowd[::50]:
        assert b"\r\n0\r\n\r\n" not in client.read_to_end(), "it looks complete"
        seen = parse(client.body)
        again = requests.get(shared.url + path, params={"after": seen[-1].id}, timeout=TIMEOUT)
        rest = parse(again.content)
        assert answer_of(seen) + answer_of(rest) == "Begun" + "".join(PIECES)
        assert [event.name for event in seen + rest][-1] == "end"
    for client in crowd:
        client.leave("rst")


def whole(client: Client) -> bytes:
    client.read_until(b"\r\n0\r\n\r\n")
    return client.body
