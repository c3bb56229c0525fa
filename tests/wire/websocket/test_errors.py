"""What goes wrong with a frame or a run, and leaves the socket open."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agent import fast_stream
from stream.errors import CATALOGUE
from tests.replies import Raw, Reply, Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.test_faults import AFTER, BEFORE, BEGUN, SAID, SECRET, is_reset
from tests.wire.websocket.talk import LAST, Frame, Talk, answer_of, kinds, talking

pytestmark = pytest.mark.anyio


async def still_talks(talk: Talk) -> None:
    assert answer_of(await talk.ask("again")) == "Hello there."


async def refused(talk: Talk, kind: str, **fields: Any) -> Frame:
    await talk.say(kind, id="q", **fields)
    frame = await talk.hear()
    assert (frame["type"], frame["id"]) == ("error", "q")
    return frame


# The model fails


def fails_with(code: str, frames: list[Frame]) -> None:
    assert SECRET not in json.dumps(frames)
    assert [kind for kind in kinds(frames) if kind in LAST] == ["failed"]
    assert (frames[-1]["code"], frames[-1]["retryable"]) == (code, CATALOGUE[code].retryable)


@pytest.mark.parametrize(("code", "reply"), BEFORE.values(), ids=BEFORE)
async def test_faults_before_the_first_token(
    code: str, reply: Reply | Raw, shared: Lastword, model: Upstream
):
    model.script(reply)
    async with talking(shared) as talk:
        frames = await talk.ask()
        fails_with(code, frames)
        assert kinds(frames) == ["start", "failed"]
        await still_talks(talk)


@pytest.mark.parametrize(("code", "reply"), AFTER.values(), ids=AFTER)
async def test_faults_in_the_answer(code: str, reply: Reply, shared: Lastword, model: Upstream):
    model.script(reply)
    async with talking(shared) as talk:
        frames = await talk.ask()
        fails_with(code, frames)
        said = answer_of(frames)
        assert said == SAID or (is_reset(reply) and SAID.startswith(said))
        await talk.say("resume", run_id=frames[0]["run_id"])
        assert await talk.hear_until("failed") == frames
        await still_talks(talk)


async def test_a_failure_is_no_answer_in_one_piece(shared: Lastword, model: Upstream):
    model.script(AFTER["end"][1])
    async with talking(shared) as talk:
        assert kinds(await talk.ask(stream=False)) == ["start", "failed"]


async def test_silence(shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fast_stream, "BETWEEN_TOKENS_TIMEOUT", 0.1)
    model.script(Stall(tokens=BEGUN, after=2))
    async with talking(shared) as talk:
        fails_with("upstream_timeout", await talk.ask())
    model.wait_for(lambda: model.cancelled == 1)


# The client is wrong


@pytest.mark.parametrize("text", ["", "{", "7", "[" * 10_000, '{"type":"ask"'])
async def test_what_is_no_frame(text: str, shared: Lastword):
    async with talking(shared) as talk:
        await talk.connection.send(text)
        frame = await talk.hear()
        assert (frame["type"], frame["code"]) == ("error", "bad_request")
        await still_talks(talk)


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"type": "shout"}, "type"),
        ({"type": "ask"}, "text"),
        ({"type": "ask", "text": "hi", "tool": 1}, "tool"),
        ({"type": "ask", "text": "hi", "model": "no:such"}, "model"),
        ({"type": "ask", "text": "hi", "thread_id": "a b"}, "thread_id"),
        ({"type": "cancel"}, "run_id"),
    ],
)
async def test_what_is_wrong_is_named(frame: Frame, field: str, shared: Lastword):
    async with talking(shared) as talk:
        kind = frame["type"]
        error = await refused(talk, kind, **{k: v for k, v in frame.items() if k != "type"})
        assert (error["code"], error["field"]) == ("bad_request", field)
        await still_talks(talk)


@pytest.mark.parametrize("kind", ["resume", "cancel"])
async def test_no_such_run(kind: str, shared: Lastword):
    async with talking(shared) as talk:
        error = await refused(talk, kind, run_id="nothing")
        assert (error["code"], error["run_id"]) == ("not_found", "nothing")
        await still_talks(talk)


@pytest.mark.parametrize("after", ["x", "999", ""])
async def test_no_such_cursor(after: str, shared: Lastword):
    async with talking(shared) as talk:
        (start, *_) = await talk.ask()
        error = await refused(talk, "resume", run_id=start["run_id"], after=after)
        assert (error["code"], error["field"]) == ("bad_request", "after")
        await still_talks(talk)


async def test_a_run_is_followed_once_on_a_socket(shared: Lastword, model: Upstream):
    stall = model.script(Stall())
    async with talking(shared) as talk:
        run = await talk.begin()
        assert (await refused(talk, "resume", run_id=run))["code"] == "conflict"
        stall.gate.release()
        assert kinds(await talk.hear_until("end"))[-1] == "end"
        await still_talks(talk)


async def test_a_thread_that_is_busy(shared: Lastword, model: Upstream):
    model.script(Stall())
    async with talking(shared) as talk:
        first = await talk.begin(thread_id="busy")
        await model.until(lambda: model.open == 1)
        error = await refused(talk, "ask", text="hi", thread_id="busy")
        assert error["code"] == "conflict"
        await talk.say("ask", text="hi", thread_id="busy", on_conflict="interrupt")
        frames = await talk.hear_until("end")
        assert (frames[-1]["run_id"], frames[-1]["finish_reason"]) == (first, "cancelled")
        while frames[-1]["type"] != "end" or frames[-1]["run_id"] == first:
            frames.append(await talk.hear())
        assert answer_of([f for f in frames if f["run_id"] != first]) == "Hello there."


async def test_a_server_that_is_full(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(max_runs=1)
    upstream.script(Stall())
    async with talking(lastword) as talk:
        run = await talk.begin()
        await upstream.until(lambda: upstream.open == 1)
        error = await refused(talk, "ask", text="hi")
        assert (error["code"], error["retryable"], error["retry_after"]) == ("busy", True, 1)
        await talk.say("cancel", run_id=run)
        await talk.hear_until("over")
        await talk.say("ping")
        assert "pong" in kinds(await talk.hear_until("pong"))
        await still_talks(talk)
