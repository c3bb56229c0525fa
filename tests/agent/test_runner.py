"""The runner's policies: who, how many, when, and for whom."""

import asyncio

import pytest

from agent.call_settings import CallSettings
from agent.memory import Exchange
from stream.errors import BadRequest, Busy, Conflict, NotFound, RateLimited, ServerShutdown
from stream.events import RunCancelled, RunCompleted, RunFailed, Usage
from stream.log import START
from stream.rate import Rate
from tests.agent.running import ME, running, text_of, until
from tests.replies import Gate, Reply, Stall, cut_text, final

pytestmark = pytest.mark.anyio
FOREVER = 3600.0


@pytest.fixture
async def runner(upstream, tmp_path, anyio_backend):
    async with running(upstream, tmp_path, models=["openai:test", "openai:other"]) as runner:
        yield runner


async def stalled(upstream, runner, text: str = "One two", **options):
    """A run whose model has said these words and says no more."""
    tokens = cut_text(final(text), 1)
    upstream.script(Stall(tokens=tokens, after=len(tokens) - 6))  # before the closing quote
    seen = len(upstream.requests)
    run = await runner.ask(**options)
    await upstream.until(
        lambda: len(upstream.requests) > seen and upstream.requests[seen].sent == len(tokens) - 6
    )
    while text_of(await runner.said(run)) != text:
        await runner.log.read(run.id, (await runner.log.last(run.id)).cursor, 10)
    return run


# Who may see what.


async def test_ids_cannot_be_guessed(runner) -> None:
    runs = [await runner.ask() for _ in range(3)]
    ids = {run.id for run in runs} | {run.thread_id for run in runs}
    assert len(ids) == 6
    assert all(len(each) == 32 for each in ids)


async def test_anothers_run_is_not_found(runner) -> None:
    run = await runner.ask()
    events = await runner.events(run)
    for principal, run_id in (("you", run.id), (ME, "unknown"), ("", run.id)):
        for attempt in (
            runner.find(run_id, principal=principal),
            runner.transcript(run_id, principal=principal),
            runner.cancel(run_id, principal=principal),
            runner.is_over(run_id, START, principal=principal),
            anext(runner.follow(run_id, principal=principal)),
        ):
            with pytest.raises(NotFound):
                await attempt
    assert await runner.events(run) == events
    assert await runner.find(run.id, principal=ME) == run


async def test_anothers_thread_is_another_thread(upstream, runner) -> None:
    mine = await stalled(upstream, runner, thread_id="t")
    theirs = await runner.ask("Hello", principal="you", thread_id="t")
    assert text_of(await runner.events(theirs)) == "Hello there."
    await runner.cancel(mine.id, principal=ME)
    assert await runner.conversation("t", principal=ME) == [Exchange("Hi", "One two")]
    assert await runner.conversation("t", principal="you") == [Exchange("Hello", "Hello there.")]
    await runner.forget("t", principal="you")
    assert await runner.conversation("t", principal="you") == []
    assert len(await runner.conversation("t", principal=ME)) == 1


async def test_only_models_of_this_server(upstream, runner) -> None:
    with pytest.raises(BadRequest) as caught:
        await runner.ask(settings=CallSettings(model="openai:gpt"))
    assert caught.value.field == "model"
    run = await runner.ask(settings=CallSettings(model="openai:other", temperature=0.5))
    await runner.events(run)
    assert upstream.requests[0].body["model"] == "other"
    assert upstream.requests[0].body["temperature"] == 0.5


# How many.


async def test_the_limit_of_runs(upstream, tmp_path) -> None:
    async with running(upstream, tmp_path, max_runs=2) as runner:
        first = await stalled(upstream, runner)
        await stalled(upstream, runner)
        with pytest.raises(Busy) as caught:
            await runner.ask()
        assert caught.value.retry_after == 1
        await runner.cancel(first.id, principal=ME)
        assert (await runner.end(await runner.ask())).type == "run_completed"


async def test_who_asks_too_often_changes_nothing(upstream, tmp_path) -> None:
    async with running(upstream, tmp_path, rate=Rate.of("1/day")) as runner:
        with pytest.raises(BadRequest):
            await runner.ask(settings=CallSettings(model="openai:gpt"))  # which is not counted
        first = await stalled(upstream, runner, thread_id="t")
        with pytest.raises(RateLimited):
            await runner.ask(thread_id="t", on_conflict="interrupt")
        assert runner.active == 1
        other = await runner.ask(principal="another")
        assert (await runner.end(other)).type == "run_completed"
        await runner.cancel(first.id, principal=ME)
        assert len(upstream.requests) == 2


async def test_fifty_at_once_do_not_mix(upstream, runner) -> None:
    upstream.default = lambda request: Reply(
        tokens=cut_text(final(f"{request['messages'][-1]['content']} " * 30), 7), coalesce=3
    )
    runs = [await runner.ask(f"canary-{n}", principal=f"p{n}") for n in range(50)]
    everything = await asyncio.gather(*map(runner.events, runs))
    for n, events in enumerate(everything):
        assert text_of(events) == f"canary-{n} " * 30
        conversation = await runner.conversation(runs[n].thread_id, principal=f"p{n}")
        assert conversation == [Exchange(f"canary-{n}", f"canary-{n} " * 30)]


# One run at a time on a thread.


async def test_a_busy_thread_is_refused(upstream, runner) -> None:
    run = await stalled(upstream, runner, thread_id="t")
    with pytest.raises(Conflict):
        await runner.ask("Again", thread_id="t")
    with pytest.raises(Conflict):
        await runner.forget("t", principal=ME)
    upstream.release()
    assert text_of(await runner.events(run)) == "One two"
    await runner.events(await runner.ask("Again", thread_id="t"))
    assert upstream.requests[1].body["messages"][1]["content"] == "Hi"


async def test_interrupting(upstream, runner) -> None:
    run = await stalled(upstream, runner, thread_id="t")
    again = await runner.ask("Again", thread_id="t", on_conflict="interrupt")
    assert await runner.end(run) == RunCancelled(Usage())
    assert text_of(await runner.events(again)) == "Hello there."
    assert await runner.conversation("t", principal=ME) == [
        Exchange("Hi", "One two"),
        Exchange("Again", "Hello there."),
    ]


async def test_interrupting_nobody(runner) -> None:
    run = await runner.ask(thread_id="t", on_conflict="interrupt")
    assert (await runner.end(run)).type == "run_completed"


async def test_two_interrupts_at_once(upstream, runner) -> None:
    upstream.default = lambda _: Reply(tokens=cut_text(final("Hello there."), 4))
    first = await stalled(upstream, runner, thread_id="t")
    others = await asyncio.gather(
        *(runner.ask(str(n), thread_id="t", on_conflict="interrupt") for n in range(5))
    )
    ends = [await runner.end(run) for run in (first, *others)]
    assert {end.type for end in ends} <= {"run_completed", "run_cancelled"}
    assert ends[0].type == "run_cancelled"
    assert sum(end.type == "run_completed" for end in ends) == 1
    conversation = await runner.conversation("t", principal=ME)
    assert conversation[0] == ("Hi", "One two")  # what was said until it was interrupted
    assert len(conversation) == 2  # those stopped before their first word said nothing
    assert {exchange.question for exchange in conversation} <= {"Hi", *map(str, range(5))}


# Cancelling.


async def test_cancel_keeps_what_was_said_once(upstream, runner) -> None:
    run = await stalled(upstream, runner)
    await asyncio.gather(*(runner.cancel(run.id, principal=ME) for _ in range(3)))
    assert (await runner.log.last(run.id)).event == RunCancelled(Usage())
    assert text_of(await runner.events(run)) == "One two"
    await upstream.until(lambda: upstream.cancelled == 1)
    assert await runner.conversation(run.thread_id, principal=ME) == [Exchange("Hi", "One two")]
    transcript = await runner.transcript(run.id, principal=ME)
    assert (transcript.state, transcript.answer) == ("cancelled", "One two")


async def test_cancel_before_the_first_step(upstream, runner) -> None:
    run = await runner.ask()
    await runner.cancel(run.id, principal=ME)
    assert [event.type for event in await runner.events(run)] == ["run_started", "run_cancelled"]
    assert upstream.requests == []


async def test_cancelling_what_is_over_changes_nothing(runner) -> None:
    run = await runner.ask()
    events = await runner.events(run)
    await runner.cancel(run.id, principal=ME)
    assert await runner.events(run) == events


async def test_cancelling_an_old_run_leaves_the_new_one_of_its_thread(upstream, runner) -> None:
    old = await runner.ask(thread_id="t")
    await runner.events(old)
    new = await stalled(upstream, runner, thread_id="t")
    await runner.cancel(old.id, principal=ME)
    assert runner.active == 1
    upstream.release()
    assert await runner.end(new) == RunCompleted("stop", Usage(12, 34))


# Without an audience.


@pytest.mark.parametrize("on_disconnect", [0.0, 0.01, "cancel"])
@pytest.mark.parametrize("by", ["server", "request"])
async def test_a_run_that_nobody_hears_is_cancelled(
    upstream, tmp_path, monkeypatch, by, on_disconnect
) -> None:
    monkeypatch.setattr("agent.audience.ARRIVAL", 0.01)
    policy = {"on_disconnect": on_disconnect if by == "server" else "continue"}
    request = {} if by == "server" else {"on_disconnect": on_disconnect}
    async with running(upstream, tmp_path, **policy) as runner:
        upstream.script(Stall(after=-1))
        run = await runner.ask(**request)
        await until(lambda: not runner.active)
        assert await runner.end(run) == RunCancelled(Usage())


@pytest.mark.parametrize("on_disconnect", [0.01, "cancel"])
async def test_the_last_one_to_leave(upstream, runner, on_disconnect) -> None:
    gate = Gate()
    upstream.say(final("One two"), cut=1, gate=gate)
    run = await runner.ask(on_disconnect=on_disconnect)
    readers = [runner.follow(run.id, principal=ME) for _ in range(2)]
    for reader in readers:
        assert (await anext(reader))[0].event.type == "run_started"
    await readers[0].aclose()
    gate.release(len(final("")) - 6 + 3)
    last = readers[1]
    while (await anext(last))[-1].event.type != "answer_delta":
        pass
    assert runner.active == 1, "somebody is still there"
    await last.aclose()
    await until(lambda: not runner.active)
    assert (await runner.end(run)).type == "run_cancelled"


@pytest.mark.parametrize("on_disconnect", ["continue", FOREVER])
async def test_a_run_goes_on_without_readers(upstream, runner, on_disconnect) -> None:
    run = await stalled(upstream, runner, on_disconnect=on_disconnect)
    reader = runner.follow(run.id, principal=ME)
    await anext(reader)
    await reader.aclose()
    assert runner.active == 1
    upstream.release()
    await until(lambda: not runner.active)
    assert (await runner.end(run)).type == "run_completed"


async def test_who_comes_back_in_time(upstream, runner) -> None:
    run = await stalled(upstream, runner, on_disconnect=FOREVER)
    first = runner.follow(run.id, principal=ME)
    batch = await anext(first)
    await first.aclose()
    assert runner._audiences[run.id]._leaving
    second = runner.follow(run.id, batch[-1].cursor, principal=ME)
    waiting = asyncio.ensure_future(anext(second))
    await until(lambda: not runner._audiences[run.id]._leaving)
    upstream.release()
    assert (await waiting)[-1].event == RunCompleted("stop", Usage(12, 34))
    await second.aclose()


# Looking again.


async def test_resuming_at_every_cursor(upstream, runner) -> None:
    upstream.say(final("One two three."), cut=2)
    run = await runner.ask()
    batches = [batch async for batch in runner.follow(run.id, principal=ME)]
    entries = [entry for batch in batches for entry in batch]
    for place, (cursor, _) in enumerate(entries, 1):
        rest = [b async for b in runner.follow(run.id, cursor, principal=ME)]
        assert [entry for batch in rest for entry in batch] == entries[place:]
        over = await runner.is_over(run.id, cursor, principal=ME)
        assert over == (place == len(entries))
    assert not await runner.is_over(run.id, START, principal=ME)


async def test_the_transcript(upstream, runner) -> None:
    run = await stalled(upstream, runner)
    transcript = await runner.transcript(run.id, principal=ME)
    assert (transcript.state, transcript.answer) == ("running", "One two")
    upstream.release()
    await runner.events(run)
    transcript = await runner.transcript(run.id, principal=ME)
    assert (transcript.state, transcript.answer) == ("completed", "One two")
    assert (transcript.finish_reason, transcript.usage) == ("stop", Usage(12, 34))


async def test_heartbeats(upstream, tmp_path) -> None:
    async with running(upstream, tmp_path, heartbeat=0.001) as runner:
        run = await stalled(upstream, runner)
        reader = runner.follow(run.id, (await runner.log.last(run.id)).cursor, principal=ME)
        assert [await anext(reader) for _ in range(3)] == [[], [], []]
        await reader.aclose()


async def test_the_conversation_is_what_the_model_is_asked(upstream, runner) -> None:
    for text in ("One", "Two"):
        await runner.events(await runner.ask(text, thread_id="t"))
    prompt = upstream.requests[1].body["messages"]
    assert [m["content"] for m in prompt[1:]] == ["One", final("Hello there."), "Two"]


async def test_metrics(upstream, runner) -> None:
    await runner.events(await runner.ask())
    upstream.script(Reply(finish_reason=None))
    await runner.events(await runner.ask())
    cancelled = await stalled(upstream, runner)
    await runner.cancel(cancelled.id, principal=ME)
    await stalled(upstream, runner)
    lines = runner.metrics.exposition().decode().splitlines()
    for how in ("completed", "cancelled", "upstream_truncated"):
        assert f'lastword_runs_ended_total{{how="{how}"}} 1.0' in lines
    assert "lastword_runs_active 1.0" in lines


# Going down.


async def test_shutting_down_ends_every_run(upstream, runner) -> None:
    assert runner.ready
    runs = [await stalled(upstream, runner) for _ in range(3)]
    runs.append(await runner.ask())  # before its first step
    readers = [asyncio.create_task(runner.events(run)) for run in runs]
    await runner.aclose()
    assert not runner.ready
    for reader in readers:
        end = (await reader)[-1]
        assert isinstance(end, RunFailed)
        assert (end.code, end.retryable) == ("server_shutdown", True)
    with pytest.raises(ServerShutdown):
        await runner.ask()
    assert text_of(await runner.events(runs[0])) == "One two"


async def test_leaving_the_runner_ends_what_still_runs(upstream, tmp_path) -> None:
    async with running(upstream, tmp_path) as runner:
        run = await stalled(upstream, runner)
    assert (await runner.log.last(run.id)).event.code == "server_shutdown"


async def test_a_reader_that_does_not_leave_delays_the_end_for_a_moment(
    upstream, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("agent.runner.LAST_LOOK", 0.01)
    async with running(upstream, tmp_path) as runner:
        run = await runner.ask()
        stuck = runner.follow(run.id, principal=ME)
        assert await anext(stuck)
        assert runner._followers == 1
    await stuck.aclose()
    assert runner._followers == 0
