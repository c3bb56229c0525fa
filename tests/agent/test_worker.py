"""Runs that are asked for in one process and performed in another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent import audience
from agent.build import build_agent
from agent.execution import Parts
from agent.memory import Exchange, Memory
from agent.policy import Policy
from agent.request import Message, RunRequest, load_request
from agent.worker import work
from callbacks.filters.json_chat import JsonChatFilter
from stream.errors import Conflict, ProducerLost, ServerShutdown, StorageLost
from stream.events import RunCancelled, RunCompleted, RunStarted
from stream.log import Run
from stream.queue import Job
from stream.redis import RedisLog
from tests.agent.models import model_on
from tests.agent.running import ME, Ran, text_of
from tests.redis_server import shared_redis
from tests.replies import Gate, Reply, final
from tests.stream.processes import Processes, processes, until
from tests.upstream import Upstream
from tests.wire.helpers import spoken

pytestmark = pytest.mark.anyio


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


class House:
    """Runners on one Redis, one memory and one model."""

    def __init__(self, several: Processes, upstream: Upstream, saver: AsyncSqliteSaver) -> None:
        self.several = several
        self.upstream = upstream
        self.saver = saver
        self.stack = AsyncExitStack()

    async def runner(self, **policy: object) -> Ran:
        model = await self.stack.enter_async_context(model_on(self.upstream))
        log = await self.several.open(lease=1)
        agent = build_agent(model, protocol="json_chat")
        parts = Parts(agent, JsonChatFilter, log, Memory(self.saver))
        runner = Ran(parts, Policy(**policy), log.queue)  # type: ignore[arg-type]  as given
        runner.log, runner.memory = parts.log, parts.memory
        return await self.stack.enter_async_context(runner)

    @asynccontextmanager
    async def worker(self, most: int = 9, **policy: object) -> AsyncIterator[Ran]:
        """Works until the block is left."""
        runner = await self.runner(**policy)
        assert runner.queue
        stopping = asyncio.Event()
        working = asyncio.create_task(work(runner, runner.queue, most, stopping))
        try:
            yield runner
        finally:
            stopping.set()
            await working
            assert runner.active == 0


@pytest.fixture
async def house(several: Processes, upstream: Upstream, tmp_path: Path) -> AsyncIterator[House]:
    path = str(tmp_path / "memory.sqlite")
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        await saver.setup()
        house = House(several, upstream, saver)
        async with house.stack:
            yield house


async def test_all_that_was_asked_reaches_the_worker(house: House) -> None:
    web = await house.runner()
    async with house.worker():
        house.upstream.script(Reply(tokens=[final("one END two")]))
        run = await web.ask("Hi", thread_id="t", history=[Message("user", "Ho")], stop=["END"])
        assert text_of(await web.events(run)) == "one "
        assert await web.memory.load(ME, "t") == [Exchange("Hi", "one ")]
        assert "Ho" in str(house.upstream.requests[-1].body)
    assert web._audiences == {}


async def test_a_worker_has_so_many_at_once(house: House) -> None:
    web = await house.runner()
    gate = Gate()
    house.upstream.default = lambda _: Reply(tokens=spoken("Yes."), gate=gate)
    async with house.worker(most=1) as one:
        runs = [await web.ask() for _ in range(3)]
        await until(lambda: one.active)
        gate.release()
        for run in runs:
            assert text_of(await web.events(run)) == "Yes."
            assert one.active <= 1


async def test_a_thread_has_one_run(house: House) -> None:
    web, other = await house.runner(), await house.runner()
    first = await web.ask(thread_id="t")
    with pytest.raises(Conflict):
        await other.ask(thread_id="t")
    second = await other.ask(thread_id="t", on_conflict="interrupt")
    assert await web.events(first) == [RunStarted(first.id, "t"), RunCancelled()]
    assert await web.current("t", principal=ME) == second.id


async def test_who_leaves_before_a_worker_came(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, other = await house.runner(), await house.runner()
    run = await web.ask(on_disconnect="cancel")
    async with aclosing(web.follow(run.id, principal=ME)) as batches:
        await anext(batches)
    assert isinstance(await other.end(run), RunCancelled)
    assert web._audiences == {}


async def test_others_elsewhere_are_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, other = await house.runner(), await house.runner()
    run = await web.ask(on_disconnect="cancel")
    there = asyncio.create_task(other.events(run))
    await until(lambda: web.log.followed(run.id))
    monkeypatch.setattr(audience, "ARRIVAL", 0.05)
    async with house.worker():
        async with aclosing(web.follow(run.id, principal=ME)) as batches:
            await anext(batches)
        assert isinstance((await there)[-1], RunCompleted)


async def test_redis_may_be_away_when_nobody_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = await house.runner()
    run = await web.ask(on_disconnect="cancel")
    asked: list[str] = []

    async def lost(run_id: str) -> bool:
        asked.append(run_id)
        raise StorageLost

    monkeypatch.setattr(web.log, "followed", lost)
    monkeypatch.setattr(web.log, "stop", lost)
    async with aclosing(web.follow(run.id, principal=ME)) as batches:
        await anext(batches)
    await until(lambda: len(asked) == 2)
    assert web._audiences == {}


async def test_followers_of_others_runs_are_told_to_go_elsewhere(house: House) -> None:
    web = await house.runner(drain=60.0)
    run = await web.ask(on_disconnect="continue")
    following = asyncio.create_task(web.end(run))
    log = web.log
    assert isinstance(log, RedisLog)
    await until(lambda: log._tails.get(run.id))
    web.shut_down()
    assert not web.ready
    with pytest.raises(ServerShutdown):
        await web.ask()
    assert not following.done()
    await web.aclose()
    with pytest.raises(ServerShutdown):
        await following
    with pytest.raises(ServerShutdown):
        await web.end(run)


async def test_runs_in_progress_have_a_moment_to_end(house: House) -> None:
    web = await house.runner()
    async with house.worker(drain=60.0) as one:
        gate = Gate()
        house.upstream.script(Reply(tokens=spoken("Yes."), gate=gate))
        run = await web.ask()
        await until(lambda: one.active)
        one.shut_down()
        gate.release()
        assert text_of(await web.events(run)) == "Yes."


async def test_and_not_more_than_that(house: House) -> None:
    web = await house.runner()
    house.upstream.default = lambda _: Reply(tokens=spoken("Yes."), gate=Gate())
    async with house.worker(drain=0.01) as one:
        run = await web.ask()
        await until(lambda: one.active)
    house.upstream.default = lambda _: Reply(tokens=spoken("No."))
    async with house.worker():
        assert text_of(await web.events(run)) == "No."


async def test_a_run_may_end_when_redis_is_away_at_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = await house.runner()
    house.upstream.default = lambda _: Reply(tokens=spoken("Yes."), gate=Gate())
    async with house.worker() as one:
        await web.ask()
        await until(lambda: one.active)

        async def lost(_: str) -> None:
            raise StorageLost

        assert one.queue
        monkeypatch.setattr(one.queue, "give_back", lost)


async def test_an_order_that_cannot_be_read_is_left_to_others(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    web = await house.runner()
    run = Run("newer", "t", ME, "Hi?")
    await web.log.create(run)
    await web.log.append(run.id, [RunStarted(run.id, run.thread_id)])
    assert web.queue
    await web.queue.put(Job(run, '{"of": "a later version"}'))
    async with house.worker(most=1):
        assert (await web.events(run))[-1].type == "run_failed"
    assert "run newer cannot be read" in caplog.text


async def test_a_worker_that_gets_its_own_lost_run_back(house: House) -> None:
    web = await house.runner()
    house.upstream.script(Reply(tokens=spoken("never said"), gate=Gate()))
    house.upstream.script(Reply(tokens=spoken("Yes.")))
    async with house.worker() as one:
        run = await web.ask()
        await until(lambda: house.upstream.requests)
        await lose(house, run)
        assert text_of(await web.events(run)) == "Yes."
        await until(lambda: one.active == 0)
        await until(lambda: house.upstream.open == 0)


async def lose(house: House, run: Run) -> None:
    """As if its worker had not been heard of for as long as its lease."""
    redis, keys = house.several.redis, house.several.keys
    await redis.delete(keys.lease(run.id))
    await redis.zadd(keys.running, {run.id: 1})


async def test_a_lost_runs_thread_may_be_anothers_by_now(house: House) -> None:
    web = await house.runner()
    gate = Gate()
    house.upstream.script(Reply(tokens=spoken("Too late."), gate=Gate()))
    house.upstream.script(Reply(tokens=spoken("Yes."), gate=gate))
    async with house.worker() as one:
        first = await web.ask(thread_id="t")
        await until(lambda: len(house.upstream.requests) == 1)
        redis, keys = house.several.redis, house.several.keys
        await redis.delete(keys.lease(first.id), keys.thread(ME, "t"))
        second = await web.ask(thread_id="t")
        await redis.zadd(keys.running, {first.id: 1})
        await until(lambda: len(house.upstream.requests) == 2)
        assert await web.end(first) == ProducerLost().as_event()
        await until(lambda: house.upstream.open == 1)
        assert one.active == 1
        gate.release()
        assert text_of(await web.events(second)) == "Yes."


async def test_who_was_given_up_remembers_nothing(house: House) -> None:
    web = await house.runner()
    gate = Gate()
    house.upstream.script(Reply(tokens=spoken("Too late."), gate=gate))
    async with house.worker() as zombie:
        run = await web.ask(thread_id="t")
        await until(lambda: house.upstream.requests)
        log = zombie.log
        assert isinstance(log, RedisLog)
        held = log._leases.held(run.id)
        assert held
        log._leases.drop(held)  # so that nobody renews it, and it hears of nothing
        await lose(house, run)
        answer = Gate()
        house.upstream.default = lambda _: Reply(tokens=spoken("Yes."), gate=answer)
        async with house.worker():
            await until(lambda: len(house.upstream.requests) == 2)
            log._leases.hold(held)
            gate.release()
            await until(lambda: zombie.active == 0)
            answer.release()
            assert text_of(await web.events(run)) == "Yes."
    assert await web.memory.load(ME, "t") == [Exchange("Hi", "Yes.")]


async def test_who_leaves_while_the_run_is_being_opened(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, other = await house.runner(), await house.runner()
    opening, go_on = asyncio.Event(), asyncio.Event()
    append = web.log.append

    async def slowly(*given: object) -> None:
        opening.set()
        await go_on.wait()
        await append(*given)  # type: ignore[arg-type]  as given

    monkeypatch.setattr(web.log, "append", slowly)
    asking = asyncio.create_task(web.ask(thread_id="t", on_disconnect="cancel"))
    await opening.wait()
    asking.cancel()
    await asyncio.wait([asking])
    monkeypatch.setattr(audience, "ARRIVAL", 0.01)
    go_on.set()
    await until(lambda: other.current("t", principal=ME))
    run_id = await other.current("t", principal=ME)
    if run_id:  # or it has been stopped already: nobody came
        await other.cancel(run_id, principal=ME)
    await until(_is_free(other))


def _is_free(runner: Ran):
    async def free() -> bool:
        return await runner.current("t", principal=ME) is None

    return free


async def test_a_worker_ends_at_once_when_it_is_told_twice(house: House) -> None:
    web = await house.runner()
    house.upstream.default = lambda _: Reply(tokens=spoken("Yes."), gate=Gate())
    async with house.worker(drain=60.0) as one:
        await web.ask()
        await until(lambda: one.active)
        one.shut_down()
        one.end_all()


@pytest.mark.parametrize("text", ["", "[]", '{"text": 5}'])
def test_what_is_no_order(text: str) -> None:
    with pytest.raises(StorageLost):
        load_request(text)


def test_an_order_comes_back_as_it_went() -> None:
    from agent.request import dump_request

    request = RunRequest("Hi", "t", [Message("user", "Ho")], stop=["x"], on_disconnect=3.0)
    assert load_request(dump_request(request)) == request
