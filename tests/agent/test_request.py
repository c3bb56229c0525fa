"""Conversations that clients keep themselves, and what else a request may say."""

from pathlib import Path

import pytest

from agent.call_settings import CallSettings
from agent.memory import Exchange
from agent.request import Message, RunRequest, exchanges
from stream.errors import BadRequest
from tests.agent.running import ME, running, text_of
from tests.replies import Reply, blob, cut_text, final
from tests.upstream import Upstream

pytestmark = pytest.mark.anyio
HISTORY = [
    Message("system", "Speak like a pirate."),
    Message("user", "Who?"),
    Message("user", "Who are you?"),
    Message("assistant", "A bot."),
    Message("assistant", "Really."),
    Message("user", "And not answered?"),
]


def test_exchanges_are_questions_with_their_answers():
    assert exchanges(HISTORY) == [Exchange("Who are you?", "A bot.")]


async def test_the_clients_conversation_is_what_the_model_sees(upstream: Upstream, tmp_path: Path):
    async with running(upstream, tmp_path) as runner:
        await runner.memory.add(ME, "t", Exchange("Forgotten?", "Yes."))
        upstream.script(Reply(tokens=[final("Arr.")]))
        run = await runner.ask("Hi", thread_id="t", history=HISTORY)
        assert text_of(await runner.events(run)) == "Arr."
        messages = upstream.requests[-1].body["messages"]
        assert messages[0]["role"] == "system"
        assert messages[0]["content"].endswith("\n\nSpeak like a pirate.")
        assert [m["role"] for m in messages[1:]] == [
            "user", "user", "assistant", "assistant", "user", "user",
        ]  # fmt: skip
        assert "Forgotten?" not in str(messages)
        kept = await runner.memory.load(ME, "t")
        assert kept == [Exchange("Who are you?", "A bot."), Exchange("Hi", "Arr.")]


async def test_without_a_thread_it_is_not_remembered(upstream: Upstream, tmp_path: Path):
    async with running(upstream, tmp_path) as runner:
        upstream.script(Reply(tokens=[final("Yes.")]))
        run = await runner.ask("Hi", history=[])
        await runner.events(run)
        assert await runner.memory.load(ME, run.thread_id) == []


async def test_the_answer_ends_at_a_stop_sequence(upstream: Upstream, tmp_path: Path):
    async with running(upstream, tmp_path) as runner:
        upstream.script(Reply(tokens=cut_text(final("one END two END three"), 3)))
        run = await runner.ask("Hi", thread_id="t", stop=["END"])
        events = await runner.events(run)
        assert text_of(events) == "one "
        assert events[-1].type == "run_completed"
        assert await runner.memory.load(ME, "t") == [Exchange("Hi", "one ")]
        assert "END" not in str(upstream.requests[-1].body)


async def test_an_answer_may_be_nothing_but_what_stops_it(upstream: Upstream, tmp_path: Path):
    async with running(upstream, tmp_path) as runner:
        upstream.script(Reply(tokens=cut_text(final("END two"), 3)))
        events = await runner.events(await runner.ask("Hi", stop=["END"]))
        assert text_of(events) == ""
        assert events[-1].type == "run_completed"


async def test_a_stop_sequence_does_not_stop_a_tool(upstream: Upstream, tmp_path: Path):
    async with running(upstream, tmp_path) as runner:
        upstream.script(Reply(tokens=[blob("calculator", "2 * 21")]))
        upstream.script(Reply(tokens=cut_text(final("It is 42 * now"), 3)))
        events = await runner.events(await runner.ask("Hi", stop=["*"]))
        assert text_of(events) == "It is 42 "


async def test_the_models_settings_reach_it(upstream: Upstream, tmp_path: Path):
    async with running(upstream, tmp_path) as runner:
        upstream.script(Reply(tokens=[final("Yes.")]))
        settings = CallSettings(temperature=0.5, max_tokens=9, seed=7, user="u")
        await runner.events(await runner.ask("Hi", settings=settings))
        body = upstream.requests[-1].body
        assert (body["temperature"], body["seed"], body["user"]) == (0.5, 7, "u")
        assert 9 in (body.get("max_tokens"), body.get("max_completion_tokens"))


async def test_the_run_on_a_thread_can_be_found(upstream: Upstream, tmp_path: Path):
    async with running(upstream, tmp_path) as runner:
        assert await runner.current("t", principal=ME) is None
        run = await runner.ask("Hi", thread_id="t")
        assert await runner.current("t", principal=ME) == run.id
        assert await runner.current("t", principal="you") is None
        await runner.cancel(run.id, principal=ME)


def test_hints_are_dropped_where_they_are_not_known():
    settings = CallSettings(max_tokens=1, seed=2, user="u")
    assert settings.only({"seed"}) == CallSettings(max_tokens=1, seed=2)
    assert settings.only(()) == CallSettings(max_tokens=1)


async def test_a_limit_that_nobody_heeds_is_refused(upstream: Upstream, tmp_path: Path):
    async with running(upstream, tmp_path) as runner:
        object.__setattr__(runner._parts, "takes", {"temperature"})
        with pytest.raises(BadRequest, match="max_tokens") as refused:
            await runner.ask("Hi", settings=CallSettings(max_tokens=1, user="me"))
        assert refused.value.field == "max_tokens"


def test_a_question_alone_is_remembered():
    assert RunRequest("Hi").is_remembered
    assert not RunRequest("Hi", history=()).is_remembered
    assert RunRequest("Hi", "t", ()).is_remembered
