"""From Redis Streams to the socket: a run of one server is followed on another."""

from collections.abc import Callable

import pytest

from tests.redis_server import shared_redis
from tests.replies import Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import spoken
from tests.wire.websocket.talk import answer_of, talking

pytestmark = pytest.mark.anyio


@pytest.fixture
def servers(serve: Callable[..., Lastword]) -> tuple[Lastword, Lastword]:
    url = shared_redis().url
    return serve(redis_url=url), serve(redis_url=url)


async def test_another_server_goes_on(servers: tuple[Lastword, Lastword], upstream: Upstream):
    stall = upstream.script(Stall(tokens=spoken("One ", "two"), after=2))
    async with talking(servers[0]) as here, talking(servers[1]) as there:
        run = await here.begin()
        one = await here.hear()
        await there.say("resume", run_id=run, after=one["cursor"])
        await here.say("leave", run_id=run)
        assert (await here.hear())["type"] == "left"
        stall.gate.release()
        assert answer_of([one, *await there.hear_until("end")]) == "One two"


async def test_another_server_cancels(servers: tuple[Lastword, Lastword], upstream: Upstream):
    upstream.script(Stall())
    async with talking(servers[0]) as here, talking(servers[1]) as there:
        run = await here.begin()
        await upstream.until(lambda: upstream.open == 1)
        await there.say("cancel", run_id=run)
        assert await there.hear() == {"type": "over", "run_id": run}
        assert (await here.hear())["finish_reason"] == "cancelled"
    await upstream.until(lambda: upstream.cancelled == 1)


async def test_the_other_server_goes_down(servers: tuple[Lastword, Lastword], upstream: Upstream):
    upstream.script(Stall(tokens=spoken("One ", "two"), after=2))
    async with talking(servers[0]) as here, talking(servers[1]) as there:
        run = await here.begin()
        await there.say("resume", run_id=run)
        await there.hear_until("delta")
        loop = servers[0].server.servers[0].get_loop()
        servers[0].server.should_exit = True
        loop.call_soon_threadsafe(servers[0].runner.shut_down)
        (*_, failed) = await there.hear_until("failed")
        assert failed["code"] == "server_shutdown"
        (*_, failed) = await here.hear_until("failed")
        assert failed["code"] == "server_shutdown"
        assert await here.closed() == 1012
        assert answer_of(await there.ask()) == "Hello there."
