"""Runs and threads by their ids: look again, resume, cancel, forget; and how many there may be."""

import threading
from collections.abc import Callable

import pytest
import requests

from tests.replies import Gate, Reply, Stall, blob, final
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import (
    EVENTS,
    JSON,
    TEXT,
    TIMEOUT,
    WIRES,
    Client,
    answer_of,
    ask,
    delete,
    get,
    only_run,
    parse,
    spoken,
)

NO_ONE = "0" * 32


# Looking again


def test_a_run_that_is_over(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[final("Yes. 🤙")], usage=(7, 5)))
    answer = ask(shared, "Is it?", thread_id="over")
    run = get(shared, answer.headers["Content-Location"]).json()
    assert run.pop("created").endswith("+00:00")
    assert run.pop("first_cursor") == "1"
    after = f"?after={int(run.pop('last_cursor')) - 1}"
    last = get(shared, f"{answer.headers['Content-Location']}/events{after}").content
    assert [event.name for event in parse(last)] == ["end"]
    assert run == {
        "run_id": answer.headers["X-Run-Id"],
        "thread_id": "over",
        "question": "Is it?",
        "model": "openai:test",
        "state": "completed",
        "answer": "Yes. 🤙",
        "finish_reason": "stop",
        "usage": {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12},
        "sources": [],
        "cited": [],
    }


def test_a_run_in_progress(shared: Lastword, model: Upstream):
    gate = Gate()
    model.script(Reply(tokens=spoken("So far", " so good"), gate=gate))
    with Client(shared) as client:
        gate.release(2)
        client.read_until(b"So far")
        run = get(shared, f"/runs/{client.header('x-run-id')}").json()
        assert (run["state"], run["answer"], run["finish_reason"]) == ("running", "So far", None)
        gate.release()


def test_a_run_that_failed(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=spoken("So far")[:2], finish_reason=None))
    run = parse(ask(shared, accept=EVENTS).content)[0].data["run_id"]
    seen = get(shared, f"/runs/{run}").json()
    assert (seen["state"], seen["answer"], seen["finish_reason"]) == ("failed", "So far", None)
    assert seen["usage"]["total_tokens"] == 0


@pytest.mark.parametrize("path", ["/runs/{}", "/runs/{}/events", "/threads/{}"])
def test_nobody_knows_it(path: str, shared: Lastword):
    answer = get(shared, path.format(NO_ONE))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_nobody_can_cancel_it(shared: Lastword):
    assert delete(shared, f"/runs/{NO_ONE}").status_code == 404


# Resuming


@pytest.fixture
def finished(shared: Lastword, model: Upstream) -> tuple[str, bytes]:
    """The address of a run's events, and the events."""
    model.say(blob("calculator", "6*7"), cut=5)
    model.script(Reply(tokens=spoken(*"It is 42.")))
    answer = ask(shared, accept=EVENTS)
    return f"/runs/{answer.headers['X-Run-Id']}/events", answer.content


def test_a_replay_from_any_cursor_is_what_came_after_it(
    shared: Lastword, finished: tuple[str, bytes]
):
    path, content = finished
    events = parse(content)
    assert parse(get(shared, path).content) == events
    for n, event in enumerate(events[:-1], 1):
        by_query = get(shared, path, params={"after": event.id})
        by_header = get(shared, path, headers={"Last-Event-ID": event.id})
        assert parse(by_query.content) == parse(by_header.content) == events[n:]
        assert by_query.headers["Content-Type"].startswith(EVENTS)
        assert by_query.content.count(b"retry:") == 1


def test_nothing_more_will_come(shared: Lastword, finished: tuple[str, bytes]):
    """An EventSource that is answered 204 stops coming back."""
    path, content = finished
    last = parse(content)[-1].id
    for answer in (
        get(shared, path, params={"after": last}),
        get(shared, path, headers={"Last-Event-ID": last}),
        get(shared, path, params={"after": "1"}, headers={"Last-Event-ID": last}),
    ):
        assert (answer.status_code, answer.content) == (204, b"")


CURSORS = ["x", "-1", "1.5", "٣", "1 ", "999", "9" * 30, "1" * 65]


@pytest.mark.parametrize("cursor", CURSORS)
def test_what_is_no_cursor(cursor: str, shared: Lastword, finished: tuple[str, bytes]):
    answer = get(shared, finished[0], params={"after": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


@pytest.mark.parametrize("cursor", [c for c in CURSORS if c.isascii() and c == c.strip()])
def test_what_is_no_last_event_id(cursor: str, shared: Lastword, finished: tuple[str, bytes]):
    answer = get(shared, finished[0], headers={"Last-Event-ID": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


def test_what_is_no_cursor_of_a_run_in_progress(shared: Lastword, model: Upstream):
    stall = model.script(Stall())
    with Client(shared) as client:
        wait_for(lambda: shared.active == 1)
        path = f"/runs/{only_run(shared)}/events"
        assert get(shared, path, params={"after": "999"}).status_code == 422
        stall.gate.release()
        client.read_until(b"0\r\n\r\n")


def test_a_reader_that_was_cut_off_loses_nothing(shared: Lastword, model: Upstream):
    gate = Gate()
    model.script(Reply(tokens=spoken("one ", "two ", "three"), gate=gate))
    gate.release(2)
    with Client(shared, EVENTS, on_disconnect="continue") as client:
        client.read_until(b"one ")
        run = client.header("x-run-id")
    seen = parse(client.body)
    with requests.get(
        f"{shared.url}/runs/{run}/events",
        headers={"Last-Event-ID": seen[-1].id},
        stream=True,
        timeout=TIMEOUT,
    ) as again:
        gate.release()
        rest = parse(again.content)
    assert answer_of(seen) + answer_of(rest) == "one two three"
    assert rest[-1].name == "end"


@pytest.mark.parametrize("readers", [5])
def test_many_may_read_a_run(readers: int, shared: Lastword, model: Upstream):
    gate = Gate()
    model.script(Reply(tokens=spoken(*"together"), gate=gate))
    heard: list[bytes] = []
    with Client(shared, EVENTS) as client:
        client.read_until(b"event: start")
        path = f"/runs/{only_run(shared)}/events"
        threads = [
            threading.Thread(target=lambda: heard.append(get(shared, path).content))
            for _ in range(readers)
        ]
        for thread in threads:
            thread.start()
        gate.release()
        for thread in threads:
            thread.join()
    assert [answer_of(parse(content)) for content in heard] == ["together"] * readers


def test_what_is_no_longer_kept(serve: Callable[..., Lastword]):
    lastword = serve(log_ttl=0.001)
    path = ask(lastword).headers["Content-Location"]
    wait_for(lambda: get(lastword, path).status_code == 404)


# Cancelling


@pytest.mark.parametrize("wire", WIRES)
def test_a_cancelled_run_keeps_what_it_said(wire: str, shared: Lastword, model: Upstream):
    gate, thread = Gate(), f"cancelled-{wire[-4:]}"
    model.script(Reply(tokens=spoken("As far ", "as it went"), gate=gate))
    answers: list[requests.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(shared, "How far?", wire, thread_id=thread))
    )
    asking.start()
    gate.release(2)
    wait_for(lambda: shared.active == 1)
    run = only_run(shared)
    wait_for(lambda: get(shared, f"/runs/{run}").json()["answer"] == "As far ")
    assert delete(shared, f"/runs/{run}").status_code == 204
    assert get(shared, f"/runs/{run}").json()["state"] == "cancelled"
    model.wait_for(lambda: model.cancelled == 1)
    asking.join()

    (answer,) = answers
    match wire:
        case "text/plain":
            assert answer.text == "As far "
        case "application/json":
            document = answer.json()
            assert (document["output"], document["finish_reason"]) == ("As far ", "cancelled")
        case _:
            events = parse(answer.content)
            assert answer_of(events) == "As far "
            assert (events[-1].name, events[-1].data["finish_reason"]) == ("end", "cancelled")

    assert get(shared, f"/threads/{thread}").json()["messages"] == [
        {"role": "user", "content": "How far?"},
        {"role": "assistant", "content": "As far "},
    ]


def test_cancelling_what_has_ended_changes_nothing(shared: Lastword):
    path = ask(shared).headers["Content-Location"]
    for _ in range(2):
        assert delete(shared, path).status_code == 204
    assert get(shared, path).json()["state"] == "completed"


def test_cancelling_a_run_spares_the_next_one_of_its_thread(shared: Lastword, model: Upstream):
    first = ask(shared, thread_id="next")
    stall = model.script(Stall())
    with Client(shared, thread_id="next") as client:
        wait_for(lambda: shared.active == 1)
        assert delete(shared, first.headers["Content-Location"]).status_code == 204
        stall.gate.release()
        client.read_until(b"0\r\n\r\n")
        assert client.body == b"Hello there."


# Threads


def test_a_thread_can_be_forgotten(shared: Lastword, model: Upstream):
    ask(shared, "Remember?", thread_id="forgotten")
    assert get(shared, "/threads/forgotten").json() == {
        "thread_id": "forgotten",
        "messages": [
            {"role": "user", "content": "Remember?"},
            {"role": "assistant", "content": "Hello there."},
        ],
    }
    for _ in range(2):
        assert delete(shared, "/threads/forgotten").status_code == 204
    assert get(shared, "/threads/forgotten").status_code == 404
    assert ask(shared, accept=JSON, thread_id="forgotten").json()["chat_history"] == []


# Limits


@pytest.mark.parametrize("wire", WIRES)
def test_a_thread_has_one_run_at_a_time(wire: str, shared: Lastword, model: Upstream):
    stall = model.script(Stall())
    with Client(shared, thread_id="busy") as client:
        wait_for(lambda: shared.active == 1)
        for answer in (
            ask(shared, "And?", wire, thread_id="busy"),
            delete(shared, "/threads/busy"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert ask(shared, accept=wire, thread_id="free").ok
        stall.gate.release()
        client.read_until(b"0\r\n\r\n")
    assert ask(shared, "And?", wire, thread_id="busy").ok


def test_the_newer_message_may_interrupt(shared: Lastword, model: Upstream):
    model.script(Stall(tokens=spoken("As far ", "as it went"), after=2))
    with Client(shared, EVENTS, thread_id="interrupted") as client:
        client.read_until(b"As far ")
        newer = ask(shared, "No: this.", thread_id="interrupted", on_conflict="interrupt")
        assert newer.text == "Hello there."
        assert b'"cancelled"' in client.read_until(b"0\r\n\r\n")
    model.wait_for(lambda: model.cancelled == 1)
    said = [message["content"] for message in model.requests[-1].body["messages"]]
    assert said[-3:] == ["hi", final("As far "), "No: this."]


def test_of_many_that_interrupt_one_wins(shared: Lastword, model: Upstream):
    gate = Gate()
    model.default = lambda _: Stall(gate=gate)
    answers: list[requests.Response] = []

    def interrupt() -> None:
        options = {"thread_id": "many", "on_conflict": "interrupt"}
        answers.append(ask(shared, "Me!", EVENTS, **options))

    threads = [threading.Thread(target=interrupt) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answers) == 7)
    assert shared.active == 1
    gate.release()
    for thread in threads:
        thread.join()
    ends = [parse(answer.content)[-1].data["finish_reason"] for answer in answers]
    assert sorted(ends) == ["cancelled"] * 7 + ["stop"]


@pytest.mark.parametrize("wire", WIRES)
def test_there_are_only_so_many_runs(wire: str, serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(max_runs=2)
    upstream.default = lambda _: Stall()
    with Client(lastword) as one, Client(lastword) as two:
        wait_for(lambda: lastword.active == 2)
        answer = ask(lastword, accept=wire)
        assert (answer.status_code, answer.json()["code"]) == (429, "busy")
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["retryable"] is True
        upstream.wait_for(lambda: upstream.open == 2)
        upstream.release()
        for client in (one, two):
            client.read_until(b"0\r\n\r\n")
    upstream.default = lambda _: Reply()
    assert ask(lastword, accept=wire).ok


def test_the_wire_for_text_is_whole_when_read_late(shared: Lastword, model: Upstream):
    """The run is over long before its reader looks."""
    model.say(final("x" * 10_000), cut=100)
    with Client(shared, TEXT) as client:
        wait_for(lambda: model.requests and model.requests[0].ended)
        shared.wait_until_idle()
        client.read_until(b"0\r\n\r\n")
    assert client.body == b"x" * 10_000
