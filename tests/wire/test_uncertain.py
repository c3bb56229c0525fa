"""Text that may not be the answer: what each wire makes of it. (The page: tests/web.)

With native tool calls only the end of a message shows that it was the answer. So
what the model says before it calls a tool is shown, or held, as each wire can.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.events import AnswerConfirmed, AnswerDelta, AnswerRetracted, Event, ThoughtDelta
from stream.log import Cursor, Entry
from tests.commands import MAIN, Terminal, environment
from tests.replies import Gate, Reply, Token
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, JSON, Client, ask, get, only_run, parse
from wire.append_only import Eager

CALCULATE = {"name": "calculator", "arguments": json.dumps({"expression": "6*7"})}
CALL: Token = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": CALCULATE}]}
PREAMBLE: list[Token] = ["Let me ", "see."]
ANSWER: list[Token] = ["It is ", "42."]


def _script(upstream: Upstream) -> tuple[Gate, Gate]:
    """A model that says something, calls a tool, and then answers; it waits for releases."""
    first, second = Gate(), Gate()
    upstream.script(Reply(tokens=[*PREAMBLE, CALL], finish_reason="tool_calls", gate=first))
    upstream.script(Reply(tokens=ANSWER, gate=second))
    return first, second


def _say(upstream: Upstream) -> None:
    for gate in _script(upstream):
        gate.release()


@pytest.fixture
def exact(serve: Callable[..., Lastword]) -> Lastword:
    return serve(protocol="message")


@pytest.fixture
def eager(serve: Callable[..., Lastword]) -> Lastword:
    return serve(protocol="message", answer_mode="eager")


# Over HTTP


def test_plain_text_is_the_answer_and_nothing_else(exact: Lastword, upstream: Upstream):
    _say(upstream)
    assert ask(exact).text == "It is 42."


def test_plain_text_waits_until_it_is_certain(exact: Lastword, upstream: Upstream):
    """All of it has been said, and still it could be a preamble."""
    gate = Gate(2)
    upstream.script(Reply(tokens=ANSWER, gate=gate))
    with Client(exact) as client:
        wait_for(lambda: exact.active == 1)
        path = f"/runs/{only_run(exact)}"
        with Client(exact, EVENTS, method="GET", path=path + "/events") as events:
            events.read_until(b'42.","certain":false')
            assert get(exact, path).json()["answer"] == ""
            gate.release()
            received = client.read_until(b"0\r\n\r\n")
    assert received.count(b"\r\nIt is 42.\r\n") == 1, "it came in one piece"


def test_plain_text_at_once(eager: Lastword, upstream: Upstream):
    first, second = _script(upstream)
    with Client(eager) as client:
        first.release(1)
        client.read_until(b"Let me ")
        first.release(1)
        client.read_until(b"see.")
        assert upstream.requests[0].sent == 2, "the call is not even begun"
        first.release()
        second.release(1)
        client.read_until(b"It is ")
        second.release()
        client.read_until(b"0\r\n\r\n")
    assert client.body == b"Let me see.\n\nIt is 42."


@pytest.mark.parametrize("mode", ["exact", "eager"])
def test_events_say_what_is_uncertain(mode: str, upstream: Upstream, request):
    lastword: Lastword = request.getfixturevalue(mode)
    first, second = _script(upstream)
    with Client(lastword, EVENTS) as client:
        first.release(1)
        client.read_until(b'{"text":"Let me ","certain":false}')
        first.release()
        client.read_until(b"event: retract")
        second.release()
        client.read_until(b"event: end")
    said = [(event.name, event.data) for event in parse(client.body)]
    assert all(data["certain"] is False for name, data in said if name == "delta")
    words = [data.get("text", name) for name, data in said if name != "tool"]
    assert "".join(words) == "startLet me see.retractIt is 42.confirmend"


@pytest.mark.parametrize("mode", ["exact", "eager"])
def test_one_document_is_always_exact(mode: str, upstream: Upstream, request):
    lastword: Lastword = request.getfixturevalue(mode)
    _say(upstream)
    answer = ask(lastword, accept=JSON).json()
    assert answer["output"] == "It is 42."
    assert get(lastword, f"/runs/{answer['run_id']}").json()["answer"] == "It is 42."
    _say(upstream)
    assert ask(lastword, stream=False, accept=EVENTS).json()["output"] == "It is 42."


# What is shown at once

SURE, MAYBE, YES, NO = (
    AnswerDelta("a"),
    AnswerDelta("b", False),
    AnswerConfirmed(),
    AnswerRetracted(),
)
EAGER: dict[str, tuple[list[Event], str]] = {
    "nothing": ([], ""),
    "certain": ([SURE, SURE], "aa"),
    "uncertain": ([SURE, MAYBE], "ab"),
    "confirmed": ([MAYBE, MAYBE, YES, SURE], "bba"),
    "retracted": ([MAYBE, NO, SURE, SURE], "b\n\naa"),
    "retracted, and nothing follows": ([SURE, MAYBE, NO], "ab"),
    "retracted twice": ([MAYBE, NO, NO, MAYBE, NO, SURE], "b\n\nb\n\na"),
    "nothing to retract": ([SURE, NO, SURE], "aa"),
    "retracted after it was confirmed": ([MAYBE, YES, NO, SURE], "ba"),
    "nothing of the answer": ([ThoughtDelta("Hm")], ""),
    "begun anew": ([SURE, AnswerRetracted(certain=True), SURE], "a\n\na"),
    "begun anew before it was begun": ([AnswerRetracted(certain=True), SURE], "a"),
}


@pytest.mark.parametrize(("events", "text"), EAGER.values(), ids=EAGER)
def test_what_is_uncertain_is_shown_at_once(events: list[Event], text: str):
    batch = [Entry(Cursor("1"), event) for event in events]
    assert Eager().text(batch) == text
    growing = Eager()
    assert "".join(growing.text([entry]) for entry in batch) == text


# In the terminal


def test_the_terminal_shows_only_what_is_certain(tmp_path: Path, upstream: Upstream):
    env = environment(tmp_path, openai_base_url=upstream.url, protocol="message")
    with Terminal([*MAIN, "chat"], tmp_path, env) as terminal:
        terminal.wait_for_prompt()
        first, second = _script(upstream)
        terminal.type("6*7?\n")
        first.release()
        assert terminal.wait_for("42\n") == "6*7?\n  calculator: 42\n"
        second.release()
        assert terminal.wait_for_prompt() == "It is 42.\n> "
