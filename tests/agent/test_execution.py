"""However a run ends: `RunStarted` first, and exactly one end last."""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.tools import tool

from agent.memory import Exchange
from callbacks.filters.json_chat import JsonChatFilter
from callbacks.filters.message import MessageFilter
from stream.errors import CATALOGUE, ProducerLost, ServerShutdown, StorageLost
from stream.events import (
    AnswerConfirmed,
    AnswerDelta,
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    ToolFinished,
    Usage,
)
from stream.log import START, Run, is_end
from stream.memory import MemoryLog
from tests.agent.running import ME, running, text_of, until
from tests.replies import Reply, Stall, blob, cut_text, final

pytestmark = pytest.mark.anyio
SECRET = "sk-secret in /etc/path"


class BadDisk(Exception):
    """What a storage raises."""


class FailingLog(MemoryLog):
    """A real log whose writes fail when it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = lambda _events: False
        self.fails_to_create = False
        self.creating: asyncio.Event | None = None
        self.create_now = asyncio.Event()

    async def create(self, run: Run, limit: int | None = None) -> None:
        if self.creating:
            self.creating.set()
            await self.create_now.wait()
        if self.fails_to_create:
            self.fails_to_create = False
            raise BadDisk(SECRET)
        await super().create(run, limit)

    async def append(self, run_id: str, events: Sequence[Event]) -> None:
        await asyncio.sleep(0)
        if self.fails(events):
            raise BadDisk(SECRET)
        await super().append(run_id, events)


def failed(code: str) -> RunFailed:
    return CATALOGUE[code]().as_event()


@pytest.fixture
def running_here(upstream, tmp_path):
    return lambda **options: running(upstream, tmp_path, **options)


async def test_completed(upstream, running_here) -> None:
    upstream.say(blob("calculator", "3**2"), usage=(1, 2))
    upstream.say(final("Nine."), cut=2, usage=(3, 4))
    async with running_here() as runner:
        run = await runner.ask()
        events = await runner.events(run)
        kinds = [event.type for event in events]
        assert kinds[:3] == ["run_started", "tool_started", "tool_finished"]
        assert text_of(events) == "Nine."
        assert events[-1] == RunCompleted("stop", Usage(4, 6))
        exchanges = await runner.conversation(run.thread_id, principal=ME)
        assert exchanges == [Exchange("Hi", "Nine.")]


async def test_the_finish_reason_is_the_models(upstream, running_here) -> None:
    upstream.say(final("Cut off")[:-8], finish_reason="length")
    async with running_here() as runner:
        events = await runner.events(await runner.ask())
        assert events[-1].finish_reason == "length"


async def test_what_is_remembered_is_what_was_streamed(upstream, running_here) -> None:
    for _ in range(3):
        upstream.say("Just talking.")
    async with running_here() as runner:
        run = await runner.ask()
        assert text_of(await runner.events(run)) == "Just talking."
        assert (await runner.conversation(run.thread_id, principal=ME))[0].answer == "Just talking."


async def test_a_cancelled_run_keeps_what_it_said(upstream, running_here) -> None:
    upstream.script(Stall(tokens=cut_text("Half an answer", 1), after=4))
    async with running_here(grammar=MessageFilter) as runner:
        run = await runner.ask()
        while text_of(await runner.said(run)) != "Half":
            await runner.log.read(run.id, (await runner.log.last(run.id)).cursor, 10)
        assert AnswerConfirmed() not in await runner.said(run)
        await runner.cancel(run.id, principal=ME)
        events = await runner.events(run)
        assert text_of(events) == "Half"
        assert events[-2:] == [AnswerConfirmed(), RunCancelled(Usage())]
        assert (await runner.conversation(run.thread_id, principal=ME))[0].answer == "Half"


async def test_a_failed_run_confirms_nothing(upstream, running_here) -> None:
    upstream.say("Half an ans", finish_reason=None)
    async with running_here(grammar=MessageFilter) as runner:
        events = await runner.events(await runner.ask())
        assert text_of(events) == "Half an ans"
        assert AnswerConfirmed() not in events
        assert events[-1] == failed("upstream_truncated")


async def test_a_failure_is_not_remembered(upstream, running_here) -> None:
    upstream.say(final("Half"), finish_reason=None)
    async with running_here() as runner:
        run = await runner.ask()
        events = await runner.events(run)
        assert text_of(events) == "Half"
        assert events[-1] == failed("upstream_truncated")
        assert await runner.conversation(run.thread_id, principal=ME) == []


async def test_the_time_limit(upstream, running_here) -> None:
    upstream.script(Stall(after=-1))
    async with running_here(timeout=0.05) as runner:
        assert await runner.end(await runner.ask()) == failed("run_timeout")
    await upstream.until(lambda: upstream.open == 0)


async def test_a_timeout_of_another_is_not_the_runs(upstream, running_here) -> None:
    class Impatient(AsyncCallbackHandler):
        run_inline = raise_error = True

        async def on_chat_model_start(self, *_, **__) -> None:
            raise TimeoutError(SECRET)

    async with running_here(callbacks=[Impatient()]) as runner:
        assert await runner.end(await runner.ask()) == failed("internal")


async def test_a_grammar_that_raises(running_here, caplog) -> None:
    class Broken(JsonChatFilter):
        def feed(self, chunk):
            raise LookupError(SECRET)

    async with running_here(grammar=Broken) as runner:
        run = await runner.ask()
        assert await runner.events(run) == [*(await runner.said(run))[:1], failed("internal")]
    ours = [record for record in caplog.records if record.name == "lastword"]
    assert [record.levelno for record in ours] == [logging.WARNING, logging.ERROR]
    assert run.id in ours[0].message
    assert "LookupError" in ours[0].message
    assert "in feed" in ours[1].message, "where it was raised"
    assert not any(SECRET in record.message for record in ours), "its words may be a secret"


async def test_these_tests_see_a_blocked_event_loop(running_here, caplog) -> None:
    class Slow(JsonChatFilter):
        def feed(self, chunk):
            time.sleep(0.001)
            return super().feed(chunk)

    async with running_here(grammar=Slow) as runner:
        assert await runner.end(await runner.ask()) == failed("internal")
    assert "BlockingError" in caplog.text


async def test_a_tool_that_raises_ends_nothing(upstream, running_here) -> None:
    @tool
    def broken(text: str) -> str:
        """Raises."""
        raise RuntimeError(SECRET)

    upstream.say(blob("broken", "x"))
    async with running_here(tools=[broken]) as runner:
        events = await runner.events(await runner.ask())
        (finished,) = [event for event in events if isinstance(event, ToolFinished)]
        assert finished.failed
        assert events[-1].type == "run_completed"


async def test_a_library_that_makes_an_error_of_being_cancelled(upstream, running_here) -> None:
    started = asyncio.Event()

    class Converts(AsyncCallbackHandler):
        run_inline = raise_error = True

        async def on_chat_model_start(self, *_, **__) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ConnectionError(SECRET) from None

    async with running_here(callbacks=[Converts()]) as runner:
        run = await runner.ask()
        await started.wait()
        await runner.cancel(run.id, principal=ME)
        assert await runner.end(run) == RunCancelled(Usage())


async def test_a_run_is_stopped_for_the_first_reason(upstream, running_here) -> None:
    upstream.script(Stall(after=-1))
    async with running_here() as runner:
        run = await runner.ask()
        execution = runner._threads[ME, run.thread_id]
        execution.stop(ServerShutdown())
        execution.stop()
        assert await runner.end(run) == failed("server_shutdown")
        execution.stop()
        assert execution.end == failed("server_shutdown")


# The memory fails.


def break_database(path, statement: str) -> None:
    database = sqlite3.connect(path / "memory.sqlite")
    database.executescript(statement)
    database.close()


async def test_the_memory_cannot_be_read(upstream, running_here, tmp_path) -> None:
    async with running_here() as runner:
        await asyncio.to_thread(break_database, tmp_path, "DROP TABLE checkpoints")
        run = await runner.ask()
        events = await runner.events(run)
        assert [event.type for event in events] == ["run_started", "run_failed"]
        assert (events[-1].code, events[-1].retryable) == ("storage_lost", True)
        assert upstream.requests == []


@pytest.mark.parametrize("how", ["completed", "cancelled"])
async def test_the_memory_cannot_be_written(upstream, running_here, tmp_path, how: str) -> None:
    async with running_here() as runner:
        tokens = cut_text(final("Hello"), 1)
        upstream.script(Stall(tokens=tokens, after=len(tokens) - 6))
        run = await runner.ask()
        await until(lambda: upstream.requests and upstream.requests[0].sent == len(tokens) - 6)
        forbid = (
            "CREATE TRIGGER no BEFORE INSERT ON checkpoints BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        await asyncio.to_thread(break_database, tmp_path, forbid)
        while text_of(await runner.said(run)) != "Hello":
            await runner.log.read(run.id, (await runner.log.last(run.id)).cursor, 10)
        if how == "completed":
            upstream.release()
        else:
            await runner.cancel(run.id, principal=ME)
        events = await runner.events(run)
        assert text_of(events) == "Hello"
        assert events[-1].code == "storage_lost"


# The log fails.


@pytest.mark.parametrize("at", ["first", "answer", "end"])
async def test_the_log_loses_a_batch(upstream, running_here, at: str) -> None:
    log = FailingLog()
    seen = 0

    def once(events) -> bool:
        nonlocal seen
        hit = {
            "first": True,
            "answer": isinstance(events[-1], AnswerDelta),
            "end": is_end(events[-1]),
        }[at]
        seen += hit
        return hit and seen == 1

    upstream.say(final("x" * 2000), cut=5)
    async with running_here(log=log) as runner:
        run = await runner.ask()  # its first event is there
        log.fails = once
        events = await runner.events(run)
        assert events[-1] == StorageLost().as_event()
        assert seen >= 1
    assert text_of(events) == "x" * len(text_of(events)), "no hole"


async def test_the_log_is_gone_for_good(upstream, running_here) -> None:
    log = FailingLog()
    async with running_here(log=log) as runner:
        run = await runner.ask()
        log.fails = lambda _: True
        await until(lambda: not runner.active)
    assert [e.type for e in [entry.event for entry in await log.read(run.id, START, 0)]] == [
        "run_started"
    ]


async def test_a_run_whose_log_cannot_be_made_leaves_nothing(running_here) -> None:
    log = FailingLog()
    async with running_here(log=log) as runner:
        for name in ("create", "append"):
            log.fails_to_create = name == "create"
            log.fails = lambda _, name=name: name == "append"
            with pytest.raises(BadDisk):
                await runner.ask(thread_id="t")
            assert runner.active == 0
        log.fails = lambda _: False
        assert (await runner.end(await runner.ask(thread_id="t"))).type == "run_completed"


async def test_interrupting_a_run_that_never_began(running_here) -> None:
    log = FailingLog()
    log.creating = asyncio.Event()
    async with running_here(log=log) as runner:
        first = asyncio.create_task(runner.ask(thread_id="t"))
        await log.creating.wait()
        second = asyncio.create_task(runner.ask(thread_id="t", on_conflict="interrupt"))
        await asyncio.sleep(0)
        log.creating, log.fails_to_create = None, True
        log.create_now.set()
        with pytest.raises(BadDisk):
            await first
        async with asyncio.timeout(10):
            assert (await runner.end(await second)).type == "run_completed"


async def test_interrupting_a_run_that_is_about_to_begin(upstream, running_here) -> None:
    log = FailingLog()
    log.creating = asyncio.Event()
    async with running_here(log=log) as runner:
        first = asyncio.create_task(runner.ask(thread_id="t"))
        await log.creating.wait()
        second = asyncio.create_task(runner.ask("Second", thread_id="t", on_conflict="interrupt"))
        await asyncio.sleep(0)
        log.creating = None
        log.create_now.set()
        assert await runner.end(await first) == RunCancelled(Usage())
        assert (await runner.end(await second)).type == "run_completed"
        assert len(upstream.requests) == 1


async def test_shutting_down_while_a_run_is_about_to_begin(upstream, running_here) -> None:
    log = FailingLog()
    log.creating = asyncio.Event()
    async with running_here(log=log) as runner:
        run = asyncio.create_task(runner.ask())
        await log.creating.wait()
        closing = asyncio.create_task(runner.aclose())
        await asyncio.sleep(0)
        log.create_now.set()
        with pytest.raises(ServerShutdown):
            await run
        await closing
    assert upstream.requests == []


async def test_who_was_given_up_as_lost_remembers_nothing(upstream, running_here) -> None:
    class Lost(MemoryLog):
        async def holds(self, run_id: str) -> bool:
            return False

    async with running_here(log=Lost()) as runner:
        run = await runner.ask(thread_id="t")
        assert await runner.end(run) == ProducerLost().as_event()
        assert await runner.conversation("t", principal=ME) == []


async def test_a_slow_log_slows_the_model_and_loses_nothing(upstream, running_here) -> None:
    answer = "".join(f"{n} " for n in range(3000))
    upstream.script(Reply(tokens=cut_text(final(answer), 2), coalesce=100))
    async with running_here(log=FailingLog()) as runner:  # each of its writes takes a turn
        assert text_of(await runner.events(await runner.ask())) == answer


async def test_an_agent_that_swallows_its_cancellation_is_cancelled(running_here) -> None:
    began = asyncio.Event()

    class Stubborn:
        async def ainvoke(self, *_: object, **__: object) -> str:
            began.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            return "I go on."

    async with running_here() as runner:
        runner._parts = replace(runner._parts, agent=Stubborn())
        run = await runner.ask()
        await began.wait()
        await runner.cancel(run.id, principal=ME)
        assert isinstance(await runner.end(run), RunCancelled)
