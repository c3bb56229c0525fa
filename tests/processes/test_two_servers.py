"""Two servers behind one address: it does not matter which of them is asked."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.processes.servers import (
    TIMEOUT,
    Server,
    asking,
    events_of,
    following,
    reads,
    run_of,
    stalled,
    starting,
)
from tests.redis_server import RedisServer, redis_server
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.helpers import answer_of

ANSWER = ("One ", "two ", "three.")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def model() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def pair(
    redis: RedisServer, model: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    with starting(tmp_path_factory.mktemp("data"), redis, model) as start:
        servers = start(2, max_runs=2)
        for server in servers:
            server.wait_until_ready()
        yield servers


@pytest.fixture(autouse=True)
def _let_go(model: Upstream) -> Iterator[None]:
    """Each test leaves no run behind."""
    yield
    model.release()
    model.wait_for(lambda: model.open == 0)


def post(server: Server, **body: object) -> requests.Response:
    return requests.post(server.url + "/chat", json={"text": "hi", **body}, timeout=TIMEOUT)


def test_start_on_one_follow_on_the_other(pair: list[Server], model: Upstream) -> None:
    one, other = pair
    stalled(model, *ANSWER, after=2)
    here, run_id = asking(one)
    there = following(other, run_id)
    with closing(here._socket), closing(there._socket):
        for client in (here, there):
            reads(client, "two ")
        assert run_of(other, run_id)["state"] == "running"
        assert run_of(other, run_id)["answer"] == "One two "
        model.release()
        assert answer_of(events_of(here)) == answer_of(events_of(there)) == "".join(ANSWER)
        assert here.body == there.body
    for server in pair:
        with closing((again := following(server, run_id))._socket):
            events_of(again)
            assert again.body == here.body, "replayed as it was"
    assert run_of(one, run_id) == run_of(other, run_id)


def test_resume_at_every_cursor_on_the_other(pair: list[Server], model: Upstream) -> None:
    one, other = pair
    stalled(model, *ANSWER, after=2)
    here, run_id = asking(one)
    with closing(here._socket):
        reads(here, "two ")
        model.release()
        events = events_of(here)
    assert events[-1].name == "end"
    for place, event in enumerate(events[:-1], 1):
        with closing((rest := following(other, run_id, event.id))._socket):
            assert [each[:3] for each in events_of(rest)] == [each[:3] for each in events[place:]]
    assert other.status(f"/runs/{run_id}/events?after={events[-1].id}") == 204


def test_cancel_on_the_other(pair: list[Server], model: Upstream) -> None:
    one, other = pair
    stalled(model, *ANSWER, after=2)
    before = model.cancelled
    here, run_id = asking(one)
    with closing(here._socket):
        reads(here, "two ")
        cancelled = requests.delete(f"{other.url}/runs/{run_id}", timeout=TIMEOUT)
        assert cancelled.status_code == 204
        events = events_of(here)
    assert answer_of(events) == "One two "
    assert events[-1].data["finish_reason"] == "cancelled"
    assert run_of(other, run_id)["state"] == "cancelled"
    model.wait_for(lambda: model.cancelled == before + 1)


def test_a_thread_that_is_busy_in_another_process(pair: list[Server], model: Upstream) -> None:
    one, other = pair
    stalled(model, *ANSWER, after=2)
    here, _ = asking(one, thread_id="busy")
    with closing(here._socket):
        reads(here, "two ")
        assert post(other, thread_id="busy").status_code == 409
        forgotten = requests.delete(f"{other.url}/threads/busy", timeout=TIMEOUT)
        assert forgotten.status_code == 409
        second = post(other, thread_id="busy", on_conflict="interrupt")
        assert second.text == "Hello there."
        assert events_of(here)[-1].data["finish_reason"] == "cancelled"
    thread = requests.get(f"{one.url}/threads/busy", timeout=TIMEOUT).json()
    answers = [each["content"] for each in thread["messages"] if each["role"] == "assistant"]
    assert answers == ["One two ", "Hello there."], "what was said before it was interrupted too"


def test_the_limit_is_for_both(pair: list[Server], model: Upstream) -> None:
    one, other = pair
    for _ in range(2):
        stalled(model, *ANSWER, after=2)
    first, _ = asking(one)
    second, _ = asking(other)
    with closing(first._socket), closing(second._socket):
        for server in pair:
            refused = post(server)
            assert refused.status_code == 429
            assert refused.headers["Retry-After"]
        for client in (first, second):
            reads(client, "two ")
        model.release()
        assert [events_of(client)[-1].name for client in (first, second)] == ["end", "end"]
    assert post(one).text == "Hello there."


def test_how_often_one_may_ask_is_counted_for_both(
    redis: RedisServer, model: Upstream, tmp_path: Path
) -> None:
    with starting(tmp_path, redis, model) as start:
        servers = start(2, rate_limit="3/day")
        statuses = [post(server).status_code for server in servers * 3]
    assert statuses == [200] * 3 + [429] * 3


def test_a_reader_that_has_moved_to_the_other(
    pair: list[Server], model: Upstream, redis: RedisServer
) -> None:
    one, other = pair
    stalled(model, *ANSWER, after=2)
    before = model.cancelled
    here, run_id = asking(one, on_disconnect="cancel")
    reads(here, "two ")
    there = following(other, run_id)
    with closing(there._socket):
        reads(there, "two ")
        wait_for(lambda: redis.has(f"lastword:followed:{run_id}"))
        here.leave("fin")
        model.release()
        assert answer_of(events_of(there)) == "".join(ANSWER)
    assert model.cancelled == before
