"""A browser behind a load balancer: the server that it listens to dies, the answer goes on."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes.servers import Server, asking, events_of, following, stalled, starting
from tests.redis_server import RedisServer
from tests.serving import wait_for
from tests.upstream import Upstream
from tests.wire.browser import Page
from tests.wire.event_source import a_browser, is_closed, listen, received, visit
from tests.wire.helpers import TIMEOUT, answer_of
from tests.wire.proxy import Proxy

ANSWER = ("One ", "two ", "three.")


@pytest.fixture
def pair(tmp_path: Path, redis: RedisServer, upstream: Upstream) -> Iterator[list[Server]]:
    with starting(tmp_path, redis, upstream) as start:
        yield start(2)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with a_browser(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


def test_the_server_that_a_browser_listens_to_is_killed(
    pair: list[Server], page: Page, upstream: Upstream
) -> None:
    producer, dying = pair
    stalled(upstream, *ANSWER, after=2)
    asked, run_id = asking(producer)
    with closing(asked._socket), Proxy(dying.url) as balancer:
        visit(page, balancer.url)
        listen(page, f"/runs/{run_id}/events")
        wait_for(lambda: answer_of(received(page)) == "One two ", TIMEOUT)
        before = received(page)
        balancer.target = producer.url
        dying.kill()
        upstream.release()
        wait_for(lambda: is_closed(page), TIMEOUT)
        whole = events_of(asked)
        assert received(page) == whole
        assert answer_of(whole) == "".join(ANSWER)
        assert balancer.cursors == ["", before[-1].id, whole[-1].id], "and never again"


def test_the_producer_that_a_browser_listens_to_is_killed(
    pair: list[Server], page: Page, upstream: Upstream
) -> None:
    """It comes back elsewhere, and there it hears of the end."""
    dying, other = pair
    stalled(upstream, *ANSWER, after=2)
    asked, run_id = asking(dying)
    with closing(asked._socket), Proxy(dying.url) as balancer:
        visit(page, balancer.url)
        listen(page, f"/runs/{run_id}/events")
        wait_for(lambda: answer_of(received(page)) == "One two ", TIMEOUT)
        balancer.target = other.url
        dying.kill()
        wait_for(lambda: is_closed(page), TIMEOUT)
        with closing((again := following(other, run_id))._socket):
            assert received(page) == events_of(again)
        assert received(page)[-1].data["code"] == "producer_lost"
        assert answer_of(received(page)) == "One two "
