"""What is asked, followed, left, resumed and cancelled on a socket."""

import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

from tests.replies import Gate, Reply, Stall, Token, blob
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, TIMEOUT, Shared, ask, get, parse, spoken
from tests.wire.test_sse import HOSTILE
from tests.wire.websocket.talk import Frame, answer_of, kinds, talking, until

pytestmark = pytest.mark.anyio


# One run


async def test_an_answer(shared: Lastword):
    async with talking(shared) as talk:
        start, *deltas, end = await talk.ask(id="mine")
    assert (start["type"], start["id"], start["cursor"]) == ("start", "mine", "1")
    assert {"run_id", "thread_id"} < set(start)
    assert answer_of(deltas) == "Hello there."
    assert (end["type"], end["finish_reason"]) == ("end", "stop")
    assert {frame["run_id"] for frame in (*deltas, end)} == {start["run_id"]}
    assert not any("id" in frame for frame in (*deltas, end))


async def test_tools_and_the_same_events_as_over_sse(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[blob("calculator", "6*7")]))
    model.script(Reply(tokens=spoken("It is ", "42.")))
    async with talking(shared) as talk:
        frames = await talk.ask()
    assert kinds(frames)[:3] == ["start", "tool", "tool"]
    assert [frame["state"] for frame in frames[1:3]] == ["started", "finished"]
    assert answer_of(frames) == "It is 42."
    path = f"/runs/{frames[0]['run_id']}/events"
    events = parse(get(shared, path, headers={"Accept": EVENTS}).content)
    told = [
        {"type": e.name, "run_id": frames[0]["run_id"], "cursor": e.id, **e.data} for e in events
    ]
    assert told == frames


@pytest.mark.parametrize(("include", "tools"), [([], 0), (["tools"], 2)])
async def test_extras(include: list[str], tools: int, shared: Lastword, model: Upstream):
    for _ in range(2):
        model.script(Reply(tokens=[blob("calculator", "6*7")]))
        model.script(Reply(tokens=spoken("42")))
    async with talking(shared) as talk:
        frames = await talk.ask(include=include)
        assert kinds(frames).count("tool") == tools
        await talk.say("resume", run_id=frames[0]["run_id"], include=include)
        assert await talk.hear_until("end") == frames


async def test_without_streaming(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=spoken(*"One piece.")))
    async with talking(shared) as talk:
        frames = await talk.ask(stream=False)
    assert kinds(frames) == ["start", "delta", "end"]
    assert answer_of(frames) == "One piece."


@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_how_it_ended(reason: str, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=spoken("Words"), finish_reason=reason))
    async with talking(shared) as talk:
        assert (await talk.ask())[-1]["finish_reason"] == reason


async def test_a_conversation(shared: Lastword, model: Upstream):
    async with talking(shared) as talk:
        (start, *_) = await talk.ask("My name is Anne.")
        await talk.ask("Who am I?", thread_id=start["thread_id"])
    assert "My name is Anne." in json.dumps(model.requests[-1].body)


async def test_what_is_uncertain_is_shown_and_taken_back(
    serve: Callable[..., Lastword], upstream: Upstream
):
    function = {"name": "calculator", "arguments": '{"expression": "6*7"}'}
    call: Token = {
        "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]
    }
    upstream.script(Reply(tokens=["Let me ", "see.", call], finish_reason="tool_calls"))
    upstream.script(Reply(tokens=["It is ", "42."]))
    async with talking(serve(protocol="message")) as talk:
        frames = await talk.ask()
    assert all(frame["certain"] is False for frame in frames if frame["type"] == "delta")
    words = [frame.get("text", frame["type"]) for frame in frames if frame["type"] != "tool"]
    assert "".join(words) == "startLet me see.retractIt is 42.confirmend"


# Several at a time


async def test_runs_interleave_and_each_frame_says_its_run(shared: Lastword, model: Upstream):
    gates = [Gate(), Gate(), Gate()]
    names = ["a", "b", "c"]
    async with talking(shared) as talk:
        runs = {}
        for name, gate in zip(names, gates, strict=True):
            model.script(Reply(tokens=spoken(*(f"{name}{n} " for n in range(3))), gate=gate))
            runs[await talk.begin(id=name)] = name
            await model.until(lambda: len(model.requests) == len(runs))
        for gate in gates:
            gate.release(1)  # what opens the answer
        heard: list[Frame] = []
        for _ in range(3):
            for gate in gates:
                gate.release(1)
                heard.append(await talk.hear())
        for gate in gates:
            gate.release()
        while kinds(heard).count("end") < 3:
            heard.append(await talk.hear())
    said = {name: answer_of([f for f in heard if runs[f["run_id"]] == name]) for name in names}
    assert said == {name: f"{name}0 {name}1 {name}2 " for name in names}
    assert [runs[frame["run_id"]] for frame in heard[:9]] == names * 3


async def test_a_silent_run_holds_up_nobody(shared: Lastword, model: Upstream):
    model.script(Stall())
    async with talking(shared) as talk:
        silent = await talk.begin()
        await model.until(lambda: model.open == 1)
        await talk.say("ping", id="p")
        assert await talk.hear() == {"type": "pong", "id": "p"}
        assert answer_of(await talk.ask()) == "Hello there."
        await talk.say("cancel", run_id=silent)
        assert {(await talk.hear())["type"], (await talk.hear())["type"]} == {"end", "over"}


# Cancel, leave, resume


async def test_cancel(shared: Lastword, model: Upstream):
    model.script(Stall(tokens=spoken("As far ", "as"), after=2))
    async with talking(shared) as talk:
        run = await talk.begin(id="q")
        assert (await talk.hear())["text"] == "As far "
        await talk.say("cancel", run_id=run, id="c")
        heard = [await talk.hear(), await talk.hear()]
        over, end = sorted(heard, key=lambda frame: frame["type"] == "end")
        assert over == {"type": "over", "id": "c", "run_id": run}
        assert end["finish_reason"] == "cancelled"
    model.wait_for(lambda: model.cancelled == 1)


async def test_cancel_a_run_that_nobody_follows_here(shared: Lastword, model: Upstream):
    model.script(Stall())
    async with talking(shared) as here, talking(shared) as there:
        run = await here.begin()
        await there.say("cancel", run_id=run)
        assert await there.hear() == {"type": "over", "run_id": run}
        assert (await here.hear())["finish_reason"] == "cancelled"


async def test_leave_goes_on_elsewhere(shared: Lastword, model: Upstream):
    stall = model.script(Stall(tokens=spoken("One ", "two"), after=2))
    async with talking(shared) as talk:
        run = await talk.begin(on_disconnect="continue")
        one = await talk.hear()
        await talk.say("leave", run_id=run, id="l")
        assert await talk.hear() == {"type": "left", "id": "l", "run_id": run}
        await until(lambda: not shared.runner._audiences[run].is_there)
        stall.gate.release()
        await until(lambda: shared.active == 0)
        await talk.say("ping")
        assert await talk.hear() == {"type": "pong"}, "nothing of the run that was left"
        await talk.say("resume", run_id=run, after=one["cursor"])
        assert answer_of([one, *await talk.hear_until("end")]) == "One two"


async def test_leave_and_come_back_at_once(shared: Lastword, model: Upstream):
    """No frame comes twice."""
    stall = model.script(Stall(tokens=spoken("One ", "two"), after=2))
    async with talking(shared) as talk:
        run = await talk.begin()
        one = await talk.hear()
        for _ in range(5):
            await talk.say("leave", run_id=run)
            await talk.say("resume", run_id=run, after=one["cursor"])
        stall.gate.release()
        frames = await talk.hear_until("end")
    assert answer_of([one, *frames]) == "One two"
    assert kinds(frames).count("left") == 5
    assert model.cancelled == 0


async def test_who_leaves_what_may_end_ends_it(shared: Lastword, model: Upstream):
    model.script(Stall())
    async with talking(shared) as talk:
        run = await talk.begin(on_disconnect="cancel")
        await model.until(lambda: model.open == 1)
        await talk.say("leave", run_id=run)
        await model.until(lambda: model.cancelled == 1)


async def test_resume_in_mid_answer_on_another_socket(shared: Lastword, model: Upstream):
    stall = model.script(Stall(tokens=spoken("One ", "two ", "three"), after=3))
    async with talking(shared) as second:
        async with talking(shared) as first:
            run = await first.begin()
            said = [await first.hear()]
            if answer_of(said) == "One ":  # else both came at once
                said.append(await first.hear())
        await second.say("resume", run_id=run, after=said[0]["cursor"], id="again")
        stall.gate.release()
        rest = await second.hear_until("end")
        assert answer_of([said[0], *rest]) == "One two three"
        await second.say("resume", run_id=run)
        whole = await second.hear_until("end")
        assert kinds(whole)[0] == "start"
        assert answer_of(whole) == "One two three"


async def test_what_is_over_says_so(shared: Lastword):
    async with talking(shared) as talk:
        *_, end = await talk.ask()
        of_run = {"run_id": end["run_id"]}
        await talk.say("resume", after=end["cursor"], id="r", **of_run)
        assert await talk.hear() == {"type": "over", "id": "r", **of_run}
        await talk.say("cancel", **of_run)
        assert await talk.hear() == {"type": "over", **of_run}
        await talk.say("leave", **of_run)
        assert await talk.hear() == {"type": "left", **of_run}


# Any words

_WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from([text for text, _ in HOSTILE.values() if len(text) < 100]),
    max_size=12,
)


@pytest.fixture(scope="module")
def line(house: Shared) -> Iterator[ClientConnection]:
    url = house.lastword.url.replace("http:", "ws:") + "/ws"
    with connect(url, proxy=None) as connection:
        yield connection


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(words=["\ufeff", "\r", "\n\n", "\0", "\u2028", "\x85", "🤙"], coalesce=1, split=1)
@given(words=_WORDS, coalesce=st.integers(1, 4), split=st.sampled_from([0, 1, 7]))
def test_any_words_arrive_as_they_were_said(
    words: list[str], coalesce: int, split: int, house: Shared, line: ClientConnection
):
    house.upstream.default = lambda _: Reply(tokens=spoken(*words), coalesce=coalesce, split=split)
    for stream in (True, False):
        line.send(json.dumps({"type": "ask", "text": "hi", "stream": stream}))
        frames = [json.loads(line.recv(TIMEOUT))]
        while frames[-1]["type"] != "end":
            frames.append(json.loads(line.recv(TIMEOUT)))
        assert answer_of(frames) == "".join(words)


async def test_a_token_of_a_megabyte(shared: Lastword, model: Upstream):
    text = "0123456789abcdef" * 65536
    model.script(Reply(tokens=spoken(text)))
    async with talking(shared, max_size=None) as talk:
        assert answer_of(await talk.ask()) == text


async def test_two_thousand_tokens_in_order(shared: Lastword, model: Upstream):
    words = [f"{n} " for n in range(2000)]
    model.script(Reply(tokens=spoken(*words)))
    async with talking(shared) as talk:
        frames = await talk.ask()
        await talk.say("resume", run_id=frames[0]["run_id"])
        again = await talk.hear_until("end")
    assert answer_of(frames) == "".join(words)
    assert again == frames
    assert len({frame["cursor"] for frame in frames}) == len(frames)


async def test_http_and_the_socket_see_the_same_run(shared: Lastword, model: Upstream):
    answer = ask(shared, "hi")
    async with talking(shared) as talk:
        await talk.say("resume", run_id=answer.headers["X-Run-Id"])
        assert answer_of(await talk.hear_until("end")) == answer.text
