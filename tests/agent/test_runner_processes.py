"""Runners of several processes on one log: who has a thread, who listens, who stops whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent import audience
from agent.build import build_agent
from agent.execution import Parts
from agent.memory import Exchange, Memory
from agent.policy import Policy
from callbacks.filters.json_chat import JsonChatFilter
from stream.errors import Busy, Conflict, ServerShutdown, StorageLost
from stream.events import Event, RunCancelled, RunCompleted, RunStarted
from stream.log import START, Cursor, Entry, Run, StreamLog, follow
from stream.memory import MemoryLog
from stream.redis import RedisLog
from tests.agent.models import model_on
from tests.agent.running import ME, Ran, text_of
from tests.redis_server import shared_redis
from tests.replies import Stall, cut_text, final
from tests.stream.logs import waiting
from tests.stream.processes import FOREVER, Processes, processes, until
from tests.upstream import Upstream

pytestmark = pytest.mark.anyio


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


@pytest.fixture
async def spare(several: Processes) -> RedisLog:
    """Of a process that does as the test says."""
    return await several.open()


@pytest.fixture
async def pair(
    several: Processes, spare: RedisLog, upstream: Upstream, tmp_path: Path
) -> AsyncIterator[tuple[Ran, Ran]]:
    logs = [await several.open(), await several.open()]
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(beside(upstream, tmp_path, log)) for log in logs
        ]
        yield one, other


@asynccontextmanager
async def beside(upstream: Upstream, path: Path, log: StreamLog) -> AsyncIterator[Ran]:
    """A runner. The logs' own tasks come and go, so it is not asked which are left."""
    database = str(path / "memory.sqlite")
    async with model_on(upstream) as model, AsyncSqliteSaver.from_conn_string(database) as saver:
        await saver.setup()
        parts = Parts(build_agent(model, protocol="json_chat"), JsonChatFilter, log, Memory(saver))
        runner = Ran(parts, Policy(max_runs=2))
        runner.log, runner.memory = parts.log, parts.memory
        with blockbuster_ctx():
            async with runner:
                yield runner
            assert runner.active == 0
            assert runner._audiences == {}


async def stalled(upstream: Upstream, runner: Ran, text: str = "One two", **options: object) -> Run:
    """A run that has said these words and says no more until it is released."""
    tokens = cut_text(final(text), 1)
    upstream.script(Stall(tokens=tokens, after=len(tokens) - 6))
    run = await runner.ask(**options)
    said = ""
    async with aclosing(follow(runner.log, run.id, START, FOREVER)) as batches:
        async for batch in batches:
            said += text_of([entry.event for entry in batch])
            if said == text:
                return run
    raise AssertionError(said)


async def test_a_run_is_stopped_wherever_it_is(upstream: Upstream, pair: tuple[Ran, Ran]) -> None:
    one, other = pair
    run = await stalled(upstream, one, thread_id="t")
    await other.cancel(run.id, principal=ME)
    assert isinstance(await one.end(run), RunCancelled)
    assert await other.conversation("t", principal=ME) == [Exchange("Hi", "One two")]
    await other.cancel(run.id, principal=ME)


async def test_a_run_that_ends_while_its_reader_is_let_go(
    upstream: Upstream, pair: tuple[Ran, Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    run = await stalled(upstream, one)
    read = other.log.read

    async def late(run_id: str, after: Cursor, wait: float) -> list[Entry]:
        if entries := await read(run_id, after, wait):
            return entries
        upstream.release()
        await one.end(run)
        return []

    events: list[Event] = []
    async with aclosing(other.follow(run.id, principal=ME)) as batches:
        async for batch in batches:
            events += [entry.event for entry in batch]
            if text_of(events) == "One two":
                monkeypatch.setattr(other.log, "read", late)
                other.end_all()
    assert isinstance(events[-1], RunCompleted)


async def test_a_thread_is_taken_for_all(upstream: Upstream, pair: tuple[Ran, Ran]) -> None:
    one, other = pair
    run = await stalled(upstream, one, thread_id="t")
    with pytest.raises(Conflict):
        await other.ask(thread_id="t")
    with pytest.raises(Conflict):
        await other.forget("t", principal=ME)
    second = await other.ask(thread_id="t", on_conflict="interrupt")
    assert isinstance(await other.end(run), RunCancelled)
    assert text_of(await one.events(second)) == "Hello there."
    await one.forget("t", principal=ME)


async def test_the_limit_is_for_all(upstream: Upstream, pair: tuple[Ran, Ran]) -> None:
    one, other = pair
    for runner in pair:
        await stalled(upstream, runner)
    for runner in pair:
        with pytest.raises(Busy):
            await runner.ask()
    upstream.release()
    await until(lambda: one.active == other.active == 0)


async def test_a_run_that_is_just_being_opened_can_be_stopped(
    spare: RedisLog, pair: tuple[Ran, Ran]
) -> None:
    _, other = pair
    run = Run("run", "t", ME, "Hi?")
    stopped = asyncio.Event()
    spare.on_stop(lambda *_: stopped.set())
    await spare.create(run)
    second = asyncio.create_task(other.ask(thread_id="t", on_conflict="interrupt"))
    await stopped.wait()
    log = other.log
    assert isinstance(log, RedisLog)
    await until(lambda: log._tails.get(run.id))
    await spare.append(run.id, [RunCancelled()])
    assert text_of(await other.events(await second)) == "Hello there."


async def test_a_thread_whose_run_ends_just_then(
    spare: RedisLog, pair: tuple[Ran, Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    run = Run("run", "t", ME, "Hi?")
    await spare.create(run)
    running = other.log.running

    async def too_late(*thread: str) -> str | None:
        await spare.append(run.id, [RunCompleted()])
        return await running(*thread)

    monkeypatch.setattr(other.log, "running", too_late)
    second = await other.ask(thread_id="t", on_conflict="interrupt")
    assert text_of(await one.events(second)) == "Hello there."


async def test_the_last_reader_here_leaves_others_elsewhere(
    upstream: Upstream, pair: tuple[Ran, Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    run = await stalled(upstream, one, on_disconnect=0.2)
    there = asyncio.create_task(other.events(run))
    await until(lambda: one.log.followed(run.id))
    monkeypatch.setattr(audience, "ARRIVAL", 0.01)
    asked = _count(one.log, monkeypatch)
    async with aclosing(one.follow(run.id, principal=ME)) as here:
        await anext(here)
    await until(lambda: len(asked) > 2)
    upstream.release()
    assert text_of(await there) == "One two"


async def test_a_reader_who_comes_back_while_others_are_asked_about(
    upstream: Upstream, pair: tuple[Ran, Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = pair
    run = await stalled(upstream, one, on_disconnect="cancel")
    back = asyncio.Event()
    asked = asyncio.Event()

    async def slowly(_: str) -> bool:
        asked.set()
        await back.wait()
        return False

    monkeypatch.setattr(one.log, "followed", slowly)
    async with aclosing(one.follow(run.id, principal=ME)) as here:
        await anext(here)
    await asked.wait()
    again = asyncio.create_task(one.events(run))
    await until(lambda: one._audiences[run.id].is_there)
    back.set()
    await waiting(again)
    upstream.release()
    assert isinstance((await again)[-1], RunCompleted)


@pytest.mark.parametrize("away", [False, True])
async def test_the_last_reader_of_all_leaves(
    upstream: Upstream, pair: tuple[Ran, Ran], monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    one, other = pair
    run = await stalled(upstream, one, on_disconnect="cancel")

    async def lost(_: str) -> bool:
        raise StorageLost

    if away:
        monkeypatch.setattr(one.log, "followed", lost)
    async with aclosing(one.follow(run.id, principal=ME)) as here:
        await anext(here)
    await until(lambda: one.active == 0)
    assert isinstance(await other.end(run), RunCancelled)


async def test_a_run_that_ends_while_others_are_asked_about(
    upstream: Upstream, pair: tuple[Ran, Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    run = await stalled(upstream, one, on_disconnect="cancel")
    asked, ended = asyncio.Event(), asyncio.Event()

    async def slowly(_: str) -> bool:
        asked.set()
        await ended.wait()
        return True

    monkeypatch.setattr(one.log, "followed", slowly)
    async with aclosing(one.follow(run.id, principal=ME)) as here:
        await anext(here)
    await asked.wait()
    upstream.release()
    assert isinstance(await other.end(run), RunCompleted)
    ended.set()


async def test_a_shutdown_while_a_run_is_being_opened(
    pair: tuple[Ran, Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    opened: list[Run] = []
    create = one.log.create

    async def slowly(run: Run, limit: int | None = None) -> None:
        await create(run, limit)
        opened.append(run)
        one.shut_down()

    monkeypatch.setattr(one.log, "create", slowly)
    with pytest.raises(ServerShutdown):
        await one.ask(thread_id="t")
    (run,) = opened
    assert await other.events(run) == [RunStarted(run.id, "t"), ServerShutdown().as_event()]


def _count(log: StreamLog, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose readers are asked for."""
    asked: list[str] = []
    followed = log.followed

    async def counted(run_id: str) -> bool:
        asked.append(run_id)
        return await followed(run_id)

    monkeypatch.setattr(log, "followed", counted)
    return asked


async def test_a_log_of_one_process_knows_of_no_other() -> None:
    log = MemoryLog()
    assert log.ready
    assert await log.running(ME, "t") is None
    assert not await log.followed("run")
    await log.stop("run")
    log.on_stop(lambda *_: None)
