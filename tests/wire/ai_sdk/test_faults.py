"""What goes wrong, and what the chat shows of it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from stream.errors import CATALOGUE
from stream.events import AnswerRetracted
from tests.node import Node
from tests.replies import Close, Raw, Reply, Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.ai_sdk.chat import Chat, kinds, text_of
from tests.wire.ai_sdk.test_chat import asked
from tests.wire.helpers import TIMEOUT, delete, spoken
from tests.wire.test_faults import AFTER, BEFORE, SAID, SECRET, is_reset, leaves_nothing

FAILED = {"isAbort": False, "isDisconnect": False, "isError": True}
ANNE, BOB = "sk-anne", "sk-bob"


# The model's server


@pytest.mark.parametrize(("code", "reply"), BEFORE.values(), ids=BEFORE)
def test_before_the_first_token(
    code: str, reply: Reply | Raw, node: Node, shared: Lastword, model: Upstream
):
    with leaves_nothing(shared):
        model.script(reply)
        state = Chat(node, shared).ask("hi")
        fails_with(code, state)
        assert text_of(state["messages"][-1]) == ""


@pytest.mark.parametrize(("code", "reply"), AFTER.values(), ids=AFTER)
def test_in_the_answer(code: str, reply: Reply, node: Node, shared: Lastword, model: Upstream):
    with leaves_nothing(shared):
        model.script(reply)
        state = Chat(node, shared).ask("hi")
        fails_with(code, state)
        received = text_of(state["messages"][-1])
        assert received == SAID or (is_reset(reply) and SAID.startswith(received))
        assert all(part.get("state") != "streaming" for part in state["messages"][-1]["parts"])


def fails_with(code: str, state: Any) -> None:
    """Once, by its own words, and never as if it had finished."""
    (message,) = state["errors"]
    assert (state["status"], state["error"]["message"]) == ("error", message)
    assert state["finishes"] == [FAILED]
    assert kinds(state)[-2:] == ["data-error", "error"]
    assert [each["type"] for each in state["chunks"]].count("error") == 1
    assert not {"finish", "abort"} & set(kinds(state))
    error = CATALOGUE[code]
    assert state["data"][-1]["data"] == {"code": code, "retryable": error.retryable}
    assert SECRET not in json.dumps(state)


def test_the_stream_ends_properly(shared: Lastword, model: Upstream):
    model.script(Close(tokens=spoken("Hello", " there"), after=2, how="eof"))
    answer = requests.post(shared.url + "/api/chat", json=asked("hi"), timeout=TIMEOUT)
    assert answer.status_code == 200
    error, done = answer.text.removesuffix("\n\n").split("\n\n")[-2:]
    assert error.startswith('data: {"type":"error",')
    assert done == "data: [DONE]"


def test_an_answer_that_begins_anew_elsewhere(node: Node, shared: Lastword, model: Upstream):
    """What was certain stands on the page, and is not to be joined with another answer."""
    model.script(Stall(tokens=spoken("Hello", " there"), after=2))
    chat = Chat(node, shared).send("hi").until("Hello")
    (execution,) = shared.runner._threads.values()
    assert execution._answering
    anew = shared.runner._parts.log.append(execution.run.id, [AnswerRetracted(certain=True)])
    asyncio.run_coroutine_threadsafe(anew, execution._answering.get_loop()).result(TIMEOUT)
    fails_with("producer_lost", chat.settled())
    delete(shared, f"/runs/{execution.run.id}")


# Before the first byte: the chat shows the problem as it stands


def refused(state: Any) -> Any:
    """The problem, of which the AI SDK makes the message of its error."""
    assert (state["status"], state["finishes"]) == ("error", [FAILED])
    problem = json.loads(state["error"]["message"])
    assert problem["status"] == state["error"]["statusCode"]
    return problem


def test_too_many_runs(node: Node, serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(max_runs=1)
    stall = upstream.script(Stall(tokens=spoken("Hello", " there"), after=2))
    first = Chat(node, lastword).send("hi").until("Hello")
    problem = refused(Chat(node, lastword).ask("hi"))
    assert (problem["status"], problem["code"]) == (429, "busy")
    stall.gate.release()
    assert first.settled()["status"] == "ready"


@pytest.fixture
def guarded(serve: Callable[..., Lastword]) -> Lastword:
    return serve(api_keys=f"{ANNE}, {BOB}")


def test_who_has_no_key_stays_outside(node: Node, guarded: Lastword, upstream: Upstream):
    chat = Chat(node, guarded)
    assert refused(chat.ask("hi"))["status"] == 401
    chat.call("resume")
    assert json.loads(chat.settled()["error"]["message"])["status"] == 401
    assert upstream.requests == []


def test_the_chat_of_another_is_another_chat(node: Node, guarded: Lastword, upstream: Upstream):
    """Neither seen, nor interrupted, by who knows its id."""
    stall = upstream.script(Stall(tokens=spoken("Hello", " there"), after=2))
    annes = Chat(node, guarded, key=ANNE).send("hi").until("Hello")
    bobs = Chat(node, guarded, annes.id, key=BOB)
    bobs.call("resume")
    state = bobs.settled()
    assert (state["status"], state["messages"]) == ("ready", [])
    path = f"{guarded.url}/api/chat/{annes.id}/stream"
    nothing = requests.get(path, headers={"Authorization": f"Bearer {BOB}"}, timeout=TIMEOUT)
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert text_of(bobs.ask("hi")["messages"][-1]) == "Hello there."
    stall.gate.release()
    assert text_of(annes.settled()["messages"][-1]) == "Hello there"
    assert upstream.cancelled == 0


def message(role: str, *parts: Any) -> dict[str, Any]:
    return {"id": "m", "role": role, "parts": list(parts)}


def text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


FILE = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,"}
QUESTION = message("user", text("hi"))
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no messages": ({"messages": []}, "messages"),
    "none at all": ({"messages": None}, "messages"),
    "too many messages": ({"messages": [QUESTION] * 1001}, "messages"),
    "a file": ({"messages": [message("user", text("What?"), FILE)]}, "messages.0.parts.1"),
    "a file before": (
        {"messages": [message("user", FILE), message("assistant", text("A cat.")), QUESTION]},
        "messages.0.parts.0",
    ),
    "the answer last": ({"messages": [QUESTION, message("assistant", text("Yes"))]}, "messages.1"),
    "nothing said": ({"messages": [message("user", text(" \n"))]}, "messages.0"),
    "no parts": ({"messages": [message("user")]}, "messages.0"),
    "the content of older versions": (
        {"messages": [{"role": "user", "content": "hi"}]},
        "messages.0.parts",
    ),
    "text without text": (
        {"messages": [message("user", {"type": "text"})]},
        "messages.0.parts.0.text",
    ),
    "NUL": ({"messages": [message("user", text("a\0b"))]}, "messages.0"),
    "half a character": ({"messages": [message("user", text("\ud83e"))]}, "messages.0"),
    "half a character before": (
        {"messages": [QUESTION, message("assistant", text("\ud83e")), QUESTION]},
        "messages.1",
    ),
    "a stranger": ({"messages": [message("tool", text("hi"))]}, "messages.0.role"),
    "a strange id": ({"id": "a/b"}, "id"),
    "no id": ({"id": None}, "id"),
    "a strange trigger": ({"trigger": "resume-stream"}, "trigger"),
    "an unknown model": ({"model": "gpt-0"}, "model"),
    "too hot": ({"temperature": 3}, "temperature"),
    "a strange extra": ({"include": ["everything"]}, "include.0"),
    "strange words": ({"understands": "reset-step"}, "understands"),
}


@pytest.mark.parametrize(("changes", "field"), REFUSED.values(), ids=REFUSED)
def test_the_field_that_is_wrong(changes: Any, field: str, shared: Lastword, model: Upstream):
    body = json.dumps(asked("hi", **changes))
    answer = requests.post(
        shared.url + "/api/chat",
        data=body,
        headers={"Content-Type": "application/json"},
        timeout=TIMEOUT,
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert answer.json()["detail"].startswith(field)
    assert model.requests == []


def test_many_mistakes_are_one(shared: Lastword):
    """An error for each would stop all streams for a moment."""
    body = asked("hi", messages=[{"parts": [{}] * 20_000}] * 3)
    answer = requests.post(shared.url + "/api/chat", json=body, timeout=TIMEOUT)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 2  # its role, and its parts


def test_what_apps_add_means_nothing(shared: Lastword):
    extra = {"webSearch": True, "messageId": None, "sessionId": "x", "model": None}
    answer = requests.post(shared.url + "/api/chat", json=asked("hi", **extra), timeout=TIMEOUT)
    assert answer.status_code == 200


def test_an_id_that_no_chat_has(shared: Lastword):
    answer = requests.get(shared.url + "/api/chat/a%20b/stream", timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
