"""Processes and Redis killed, frozen, cut off and started again in mid-answer."""

import signal
from contextlib import ExitStack, closing

import pytest
import requests

from tests.processes.servers import (
    TIMEOUT,
    Server,
    Start,
    asking,
    events_of,
    following,
    reads,
    run_of,
    stalled,
)
from tests.redis_server import RedisServer
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.helpers import Client, answer_of, ends_of

ANSWER = ("One ", "two ", "three.")
PATIENT = 60
"""Seconds of a lease that outlives what a test does to Redis."""


def in_mid_answer(
    one: Server, other: Server, upstream: Upstream, stack: ExitStack, **body: object
) -> tuple[list[Client], str]:
    """Who asked on one, and three who follow on the other; all have read the half of it."""
    stalled(upstream, *ANSWER, after=2)
    asked, run_id = asking(one, **body)
    clients = [asked, *(following(other, run_id) for _ in range(3))]
    for client in clients:
        stack.enter_context(closing(client._socket))
        reads(client, "two ")
    return clients, run_id


def test_the_producer_is_killed(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    one, other = start(2, lease=1)
    (_, *followers), run_id = in_mid_answer(one, other, upstream, stack, thread_id="t")
    one.kill()
    for follower in followers:
        events = events_of(follower)
        assert answer_of(events) == "One two "
        (end,) = ends_of(events)
        assert end == events[-1]
        assert (end.name, end.data["code"]) == ("failed", "producer_lost")
        assert end.data["retryable"] is True
    run = run_of(other, run_id)
    assert (run["state"], run["answer"]) == ("failed", "One two ")
    with closing((again := following(other, run_id))._socket):
        assert events_of(again) == events, "written, and only once"
    asked = {"text": "Again?", "thread_id": "t"}
    answer = requests.post(other.url + "/chat", json=asked, timeout=TIMEOUT)
    assert answer.text == "Hello there.", "the thread is free"


def test_a_zombie_adds_nothing(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    one, other = start(2, lease=1)
    (asked, *followers), run_id = in_mid_answer(one, other, upstream, stack)
    one.freeze()
    for follower in followers:
        assert ends_of(events_of(follower))[0].data["code"] == "producer_lost"
    upstream.release()  # the rest of the answer waits for the zombie
    one.thaw()
    assert ends_of(events_of(asked))[0].data["code"] == "producer_lost"
    upstream.wait_for(lambda: upstream.open == 0)
    wait_for(lambda: one.status("/ready") == 200, TIMEOUT)
    for server in (one, other):
        with closing((again := following(server, run_id))._socket):
            events = events_of(again)
        assert answer_of(events) == "One two "
        assert [each.data["code"] for each in ends_of(events)] == ["producer_lost"]


@pytest.mark.parametrize("fault", ["restarted", "frozen"])
def test_redis_is_away_for_a_while(
    start: Start, redis: RedisServer, upstream: Upstream, stack: ExitStack, fault: str
) -> None:
    one, other = start(2, lease=PATIENT)
    clients, run_id = in_mid_answer(one, other, upstream, stack)
    redis.kill() if fault == "restarted" else redis.freeze()
    upstream.release()
    wait_for(lambda: other.status("/ready") == 503, TIMEOUT)
    redis.start() if fault == "restarted" else redis.thaw()
    for client in clients:
        events = events_of(client)
        assert answer_of(events) == "".join(ANSWER), "nothing is lost, nothing is doubled"
        assert [each.name for each in ends_of(events)] == ["end"]
    assert len({client.body for client in clients}) == 1
    assert run_of(other, run_id)["state"] == "completed"
    for server in (one, other):
        server.wait_until_ready()


def test_redis_loses_everything(
    start: Start, redis: RedisServer, upstream: Upstream, stack: ExitStack
) -> None:
    one, other = start(2, lease=1)
    clients, run_id = in_mid_answer(one, other, upstream, stack)
    redis.kill()
    redis.lose_everything()
    redis.start()
    upstream.release()
    for client in clients:
        events = events_of(client)
        assert "".join(ANSWER).startswith(answer_of(events))
        assert [each.data["code"] for each in ends_of(events)] == ["storage_lost"]
    assert other.status(f"/runs/{run_id}") == 404


def test_redis_is_away_at_the_start(start: Start, redis: RedisServer) -> None:
    redis.kill()
    (server,) = start(1)
    assert server.status("/health") == 200
    assert server.status("/ready") == 503
    asked = requests.post(server.url + "/chat", json={"text": "hi"}, timeout=TIMEOUT)
    assert asked.status_code == 503
    assert asked.json()["code"] == "storage_lost"
    redis.start()
    server.wait_until_ready()
    asked = requests.post(server.url + "/chat", json={"text": "hi"}, timeout=TIMEOUT)
    assert asked.text == "Hello there."


def test_an_old_run_after_a_restart_of_all_servers(
    start: Start, upstream: Upstream, stack: ExitStack
) -> None:
    one, other = start(2)
    clients, run_id = in_mid_answer(one, other, upstream, stack)
    upstream.release()
    for client in clients:
        events_of(client)
    for server in (one, other):
        server.kill(signal.SIGTERM)
    (new,) = start(1)
    with closing((again := following(new, run_id))._socket):
        events_of(again)
        assert again.body == clients[0].body
    run = run_of(new, run_id)
    assert (run["question"], run["answer"]) == ("hi", "".join(ANSWER))


def test_the_producer_shuts_down(start: Start, upstream: Upstream, stack: ExitStack) -> None:
    one, other = start(2)
    clients, run_id = in_mid_answer(one, other, upstream, stack)
    one.kill(signal.SIGTERM)
    for client in clients:
        assert [each.data["code"] for each in ends_of(events_of(client))] == ["server_shutdown"]
    assert run_of(other, run_id)["answer"] == "One two "
