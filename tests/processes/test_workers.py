"""Web processes that only enqueue and follow, and workers that run the agents."""

import signal
from contextlib import ExitStack, closing
from typing import Any

import requests

from tests.processes.servers import (
    TIMEOUT,
    Server,
    Start,
    Worker,
    asking,
    events_of,
    following,
    reads,
    refuses,
    run_of,
    stalled,
)
from tests.replies import Gate, Reply, blob, final
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.helpers import Client, Sse, answer_of, ends_of, spoken

ANSWER = ("One ", "two ", "three.")


def web(start: Start, number: int = 1, **settings: Any) -> list[Server]:
    servers = start(number, workers="external", lease=1, **settings)
    for server in servers:
        server.wait_until_ready()
    return servers


def workers(start: Start, number: int = 1, **settings: Any) -> list[Server]:
    return start(number, Worker, lease=1, **settings)


def ask(server: Server, stack: ExitStack, **body: Any) -> tuple[Client, str]:
    client, run_id = asking(server, **body)
    stack.enter_context(closing(client._socket))
    return client, run_id


def names(events: list[Sse]) -> list[str]:
    return [event.name for event in events]


def test_the_answer_is_the_same(start: Start, upstream: Upstream) -> None:
    (server,) = web(start)
    workers(start)
    upstream.script(Reply(tokens=[blob("calculator", "6 * 7")]))
    upstream.script(Reply(tokens=spoken(*ANSWER)))
    body = {"text": "Hi", "thread_id": "t", "on_disconnect": "continue"}
    said = requests.post(f"{server.url}/chat", json=body, timeout=TIMEOUT)
    assert said.text == "".join(ANSWER)
    thread = requests.get(f"{server.url}/threads/t", timeout=TIMEOUT).json()
    assert [message["content"] for message in thread["messages"]] == ["Hi", "".join(ANSWER)]
    run = run_of(server, said.headers["x-run-id"])
    assert (run["state"], run["model"]) == ("completed", "openai:test")


def test_a_run_waits_for_a_worker(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    one, other = web(start, 2)
    upstream.script(Reply(tokens=spoken(*ANSWER)))
    client, run_id = ask(one, stack)
    second = following(other, run_id)
    stack.enter_context(closing(second._socket))
    reads_start(client)
    assert run_of(other, run_id)["state"] == "running"
    assert (
        requests.post(
            f"{other.url}/chat",
            json={"text": "Hi", "thread_id": client.header("x-thread-id")},
            timeout=TIMEOUT,
        ).status_code
        == 409
    )
    workers(start)
    assert answer_of(events_of(client)) == answer_of(events_of(second)) == "".join(ANSWER)


def reads_start(client: Client) -> None:
    client.read_until(b"event: start")


def test_it_can_be_cancelled_before_and_while_it_runs(
    start: Start, upstream: Upstream, stack: ExitStack
) -> None:
    one, other = web(start, 2)
    client, run_id = ask(one, stack)
    requests.delete(f"{other.url}/runs/{run_id}", timeout=TIMEOUT).raise_for_status()
    (end,) = ends_of(events_of(client))
    assert end.data["finish_reason"] == "cancelled"
    workers(start)
    stalled(upstream, *ANSWER, after=2)
    client, run_id = ask(one, stack)
    reads(client, "two ")
    requests.delete(f"{other.url}/runs/{run_id}", timeout=TIMEOUT).raise_for_status()
    (end,) = ends_of(events_of(client))
    assert end.data["finish_reason"] == "cancelled"
    upstream.wait_for(lambda: upstream.open == 0)
    assert len(upstream.requests) == 1


def test_who_leaves_frees_the_worker(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    (server,) = web(start)
    workers(start)
    stalled(upstream, *ANSWER, after=2)
    client, run_id = ask(server, stack, on_disconnect="cancel")
    reads(client, "two ")
    client._socket.close()
    upstream.wait_for(lambda: upstream.open == 0)
    wait_for(lambda: run_of(server, run_id)["state"] == "cancelled", TIMEOUT)


def test_before_its_first_word_another_worker_takes_over(
    start: Start, upstream: Upstream, stack: ExitStack
) -> None:
    (server,) = web(start)
    (first,) = workers(start)
    upstream.script(Reply(tokens=[blob("calculator", "6 * 7")]))
    upstream.script(Reply(tokens=spoken("never said"), gate=Gate()))
    client, run_id = ask(server, stack)
    upstream.wait_for(lambda: len(upstream.requests) == 2)
    client.read_until(b'"finished"')
    first.kill()
    upstream.script(Reply(tokens=spoken(*ANSWER)))
    workers(start)
    events = events_of(client)
    assert answer_of(events) == "".join(ANSWER)
    assert [end.name for end in ends_of(events)] == ["end"]
    assert [int(event.id) for event in events] == list(range(1, len(events) + 1))
    assert run_of(server, run_id)["answer"] == "".join(ANSWER)


def test_after_it_the_run_is_lost(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    (server,) = web(start)
    first, _ = workers(start, 2)
    stalled(upstream, *ANSWER, after=2)
    client, run_id = ask(server, stack)
    reads(client, "two ")
    kill_both(first, _)
    events = events_of(client)
    (end,) = ends_of(events)
    assert (end.name, end.data["code"], end.data["retryable"]) == ("failed", "producer_lost", True)
    assert run_of(server, run_id)["answer"] == "One two "


def kill_both(*doomed: Server) -> None:
    """Whichever has the run."""
    for worker in doomed:
        worker.kill()


def test_or_it_begins_anew(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    (server,) = web(start, restart="true")
    (first,) = workers(start)
    stalled(upstream, *ANSWER, after=2)
    client, run_id = ask(server, stack)
    reads(client, "two ")
    text = requests.get(f"{server.url}/runs/{run_id}", timeout=TIMEOUT).json()
    assert text["answer"] == "One two "
    first.kill()
    upstream.script(Reply(tokens=[final("Another one.")]))
    workers(start)
    events = events_of(client)
    assert answer_of(events) == "One two Another one."
    (retract,) = (event for event in events if event.name == "retract")
    assert retract.data == {"certain": True}
    assert names(events)[-1] == "end"
    assert run_of(server, run_id)["answer"] == "Another one."


def test_a_worker_that_is_told_to_stop_gives_its_run_back(
    start: Start, upstream: Upstream, stack: ExitStack
) -> None:
    (server,) = web(start)
    (first,) = workers(start)
    upstream.script(Reply(tokens=spoken("never said"), gate=Gate()))
    client, _ = ask(server, stack)
    upstream.wait_for(lambda: upstream.open == 1)
    first.kill(signal.SIGTERM)
    assert first.process.returncode == 0
    upstream.wait_for(lambda: upstream.open == 0)
    upstream.script(Reply(tokens=spoken(*ANSWER)))
    workers(start)
    assert answer_of(events_of(client)) == "".join(ANSWER)


def test_a_worker_that_is_told_to_stop_may_end_its_run(
    start: Start, upstream: Upstream, stack: ExitStack
) -> None:
    (server,) = web(start)
    (first,) = workers(start, drain=60)
    stalled(upstream, *ANSWER, after=2)
    client, _ = ask(server, stack)
    reads(client, "two ")
    first.process.send_signal(signal.SIGTERM)
    upstream.release()
    assert answer_of(events_of(client)) == "".join(ANSWER)
    assert first.process.wait(TIMEOUT) == 0


def test_a_web_process_that_stops_tells_its_readers_to_go_elsewhere(
    start: Start, upstream: Upstream, stack: ExitStack
) -> None:
    one, other = web(start, 2)
    workers(start)
    stalled(upstream, *ANSWER, after=2)
    client, run_id = ask(one, stack, on_disconnect="continue")
    reads(client, "two ")
    one.kill(signal.SIGTERM)
    assert one.process.returncode == 0
    seen = events_of(client)
    assert set(names(seen)) == {"start", "delta"}
    rest = following(other, run_id, seen[-1].id)
    stack.enter_context(closing(rest._socket))
    upstream.release()
    events = events_of(rest)
    assert answer_of([*seen, *events]) == "".join(ANSWER)
    assert names(events)[-1] == "end"


def test_runs_may_end_while_the_server_stops(
    start: Start, upstream: Upstream, stack: ExitStack
) -> None:
    (server,) = start(1, drain=60)
    server.wait_until_ready()
    stalled(upstream, *ANSWER, after=2)
    client, _ = ask(server, stack)
    reads(client, "two ")
    server.process.send_signal(signal.SIGTERM)
    wait_for(lambda: refuses(server), TIMEOUT)
    upstream.release()
    events = events_of(client)
    assert answer_of(events) == "".join(ANSWER)
    assert names(events)[-1] == "end"
    assert server.process.wait(TIMEOUT) == 0
