"""`/chat` as server-sent events: what they are, and how they stand on the line."""

from collections.abc import Callable

import pytest

from tests.replies import Gate, Reply, blob, final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, Client, answer_of, ask, get, parse, spoken

USAGE = {"input_tokens": 24, "output_tokens": 68, "total_tokens": 92}


def _calculate(model: Upstream) -> None:
    model.say(blob("calculator", "6*7"), cut=5)
    model.script(Reply(tokens=spoken("It is ", "42.")))


def test_the_events_of_a_run_that_uses_a_tool(shared: Lastword, model: Upstream):
    _calculate(model)
    response = ask(shared, accept=EVENTS)
    events = parse(response.content)
    start, started, finished, *deltas, end = events
    assert start.name == "start"
    assert start.data == {
        "run_id": response.headers["X-Run-Id"],
        "thread_id": response.headers["X-Thread-Id"],
    }
    call = started.data["id"]
    assert started.name == finished.name == "tool"
    assert {"id": call, "name": "calculator", "state": "started"}.items() <= started.data.items()
    assert finished.data == {"id": call, "name": "calculator", "state": "finished", "output": "42"}
    assert {delta.name for delta in deltas} == {"delta"}
    assert answer_of(deltas) == "It is 42."
    assert end.name == "end"
    assert end.data == {"finish_reason": "stop", "usage": USAGE}
    cursors = [int(event.id) for event in events]
    assert cursors == sorted(set(cursors))


@pytest.mark.parametrize(
    ("include", "has_tools"),
    [([], False), (["sources"], False), (["thoughts"], False), (["tools", "thoughts"], True)],
)
def test_extras_come_only_to_who_wants_them(
    include: list[str], has_tools: bool, shared: Lastword, model: Upstream
):
    _calculate(model)
    response = ask(shared, accept=EVENTS, include=include)
    assert any(event.name == "tool" for event in parse(response.content)) == has_tools
    path = f"/runs/{response.headers['X-Run-Id']}/events"
    again = get(shared, path, params={"include": include or "sources"})
    assert any(event.name == "tool" for event in parse(again.content)) == has_tools


def test_a_tool_that_fails(shared: Lastword, model: Upstream):
    model.say(blob("calculator", "__import__('os')"))
    model.say(final("I cannot."))
    events = parse(ask(shared, accept=EVENTS).content)
    _, finished = (event.data for event in events if event.name == "tool")
    assert finished["state"] == "failed"
    assert answer_of(events) == "I cannot."


def test_the_bytes_on_the_line(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=spoken("ü", "\r\n", "\u2028", "🤙")))
    content = ask(shared, accept=EVENTS).content
    assert content.isascii()
    assert b"\r" not in content
    frames = content.split(b"\n\n")
    assert frames.pop() == b"", "the last frame is whole"
    for frame in frames:
        fields = [line.partition(b":")[0] for line in frame.split(b"\n")]
        assert fields.count(b"id") == fields.count(b"data") == fields.count(b"event") == 1
    assert [b"retry: 2000" in frame.split(b"\n") for frame in frames][:2] == [True, False]
    assert content.count(b"retry:") == 1


def test_a_heartbeat_is_one_comment_line(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(heartbeat=0.05)
    gate = Gate()
    upstream.script(Reply(tokens=spoken("Hello"), gate=gate))
    with Client(lastword, EVENTS) as client:
        client.read_until(b"\n\n\r\n")  # the first frame, in its chunk
        assert b"\r\nc\r\n: heartbeat\n\r\n" in client.read_until(b"heartbeat\n\r\n")
        gate.release()
        received = client.read_until(b"event: end")
    assert b": heartbeat\n\n" not in received
    assert b": heartbeat\r" not in received


def test_events_arrive_while_the_model_still_writes(shared: Lastword, model: Upstream):
    gate = Gate()
    model.script(Reply(tokens=spoken("one", "two"), gate=gate))
    with Client(shared, EVENTS) as client:
        client.read_until(b"event: start")
        gate.release(2)
        assert b"two" not in client.read_until(b'{"text":"one"}')
        assert model.requests[0].sent == 2
        gate.release(1)
        assert b"event: end" not in client.read_until(b'{"text":"two"}')
        gate.release()
        client.read_until(b"event: end")
