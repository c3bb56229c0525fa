"""`useChat` as it is, without its page: what stands in the conversation, and what is asked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.node import Node
from tests.replies import Gate, Reply, Stall, Token, blob, final
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.ai_sdk.chat import Chat, kinds, text_of
from tests.wire.helpers import TIMEOUT, delete, get, only_run, spoken
from tests.wire.test_page import shut_down
from tests.wire.test_uncertain import ANSWER, CALL, PREAMBLE

READY = {"isAbort": False, "isDisconnect": False, "isError": False}


def said_to(upstream: Upstream) -> list[tuple[str, str]]:
    """The conversation as the model was given it the last time, without our own words."""
    messages = upstream.requests[-1].body["messages"]
    return [(each["role"], each["content"]) for each in messages if each["role"] != "system"]


# An answer


def test_a_whole_answer(node: Node, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[blob("calculator", "6*7")], usage=(10, 1)))
    model.script(Reply(tokens=spoken("It is ", "42."), usage=(20, 2)))
    chat = Chat(node, shared)
    state = chat.ask("6*7?")
    assert (state["status"], state["errors"]) == ("ready", [])
    assert state["finishes"] == [{**READY, "finishReason": "stop"}]
    _, answer = state["messages"]
    [run] = state["data"]
    assert run["data"] == {"runId": answer["id"], "threadId": chat.id}
    assert get(shared, f"/runs/{answer['id']}").json()["answer"] == "It is 42."
    assert answer["metadata"] == {
        "usage": {"inputTokens": 30, "outputTokens": 3, "totalTokens": 33}
    }
    _, tool, _, text = answer["parts"]
    assert [part["type"] for part in answer["parts"]] == [
        "step-start",
        "dynamic-tool",
        "step-start",
        "text",
    ]
    assert (tool["toolName"], tool["state"], tool["output"]) == (
        "calculator",
        "output-available",
        "42",
    )
    assert tool["providerExecuted"] is True
    assert (text["text"], text["state"]) == ("It is 42.", "done")


def test_a_tool_that_ran_here_is_not_sent_back(node: Node, shared: Lastword, model: Upstream):
    """`sendAutomaticallyWhen` asks again for results of tools, but not for the server's own."""
    model.script(Reply(tokens=[blob("calculator", "6*7")]))
    state = Chat(node, shared).ask("6*7?")
    assert "tool-output-available" in kinds(state)
    assert state["requests"] == 1
    assert len(model.requests) == 2, "the call, and the answer"


def test_the_heads(shared: Lastword):
    answer = requests.post(shared.url + "/api/chat", json=asked("hi"), timeout=TIMEOUT)
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["X-Thread-Id"] == "chat"
    assert f'"messageId":"{answer.headers["X-Run-Id"]}"' in answer.text
    assert answer.content.endswith(b"data: [DONE]\n\n")


def asked(text: str, **changes: Any) -> dict[str, Any]:
    """As `DefaultChatTransport` sends it."""
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": "chat", "messages": [message], "trigger": "submit-message", **changes}


def test_tokens_arrive_while_the_model_still_writes(node: Node, shared: Lastword, model: Upstream):
    gate = Gate(2)
    model.script(Reply(tokens=spoken("Hello", " there", "!"), gate=gate))
    chat = Chat(node, shared).send("hi")
    for said in ("Hello", "Hello there", "Hello there!"):
        chat.until(said)
        gate.release(1)
    gate.release()
    assert chat.settled()["status"] == "ready"


def test_an_answer_that_was_cut_off_says_so(node: Node, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[final("As far as it we")[:-6]], finish_reason="length"))
    state = Chat(node, shared).ask("hi")
    assert text_of(state["messages"][-1]) == "As far as it we"
    assert state["finishes"] == [{**READY, "finishReason": "length"}]


def test_heartbeats_are_nothing_to_the_client(
    node: Node, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(heartbeat=0.01)
    stall = upstream.script(Stall(tokens=spoken("Hello", " there"), after=2))
    chat = Chat(node, lastword).send("hi").until("Hello")
    with requests.get(
        f"{lastword.url}/api/chat/{chat.id}/stream", stream=True, timeout=TIMEOUT
    ) as other:
        arriving, received = other.iter_content(chunk_size=None), b""
        while received.count(b": heartbeat\n") < 3:
            received += next(arriving)
    stall.gate.release()
    state = chat.settled()
    assert (state["status"], text_of(state["messages"][-1])) == ("ready", "Hello there")


@pytest.fixture
def thinking(serve: Callable[..., Lastword]) -> Lastword:
    return serve(protocol="think+json_chat")


def test_thoughts_are_for_who_asks_for_them(node: Node, thinking: Lastword, upstream: Upstream):
    upstream.default = lambda _: Reply(tokens=[{"reasoning_content": "Hm."}, *spoken("Yes")])
    asking = {
        "in the address": Chat(node, thinking, query="?include=thoughts").ask("hi"),
        "in the body": Chat(node, thinking, include=["thoughts"]).ask("hi"),
        "in the message": Chat(node, thinking).ask(
            "hi", options={"body": {"include": ["thoughts"]}}
        ),
    }
    for state in asking.values():
        _, thought, text = state["messages"][-1]["parts"]
        assert (thought["type"], thought["text"], thought["state"]) == ("reasoning", "Hm.", "done")
        assert text["text"] == "Yes"
    assert "reasoning-start" not in kinds(Chat(node, thinking).ask("hi"))
    body_wins = Chat(node, thinking, query="?include=thoughts", include=["tools"]).ask("hi")
    assert "reasoning-start" not in kinds(body_wins)


def test_the_model_and_the_temperature_reach_the_model(
    node: Node, serve: Callable[..., Lastword], upstream: Upstream
):
    chat = Chat(node, serve(models=["openai:other"]), model="openai:other", temperature=0.25)
    assert chat.ask("hi")["status"] == "ready"
    assert upstream.requests[0].body["model"] == "other"
    assert upstream.requests[0].body["temperature"] == 0.25


# A conversation


def test_the_requests_messages_are_the_conversation(
    node: Node, thinking: Lastword, upstream: Upstream
):
    """Not the memory; and of an earlier answer only what it said counts."""
    chat = Chat(node, thinking, include=["tools", "thoughts"])
    upstream.script(Reply(tokens=[{"reasoning_content": "Hm."}, blob("calculator", "6*7")]))
    upstream.script(Reply(tokens=[final("It is 42.")]))
    chat.ask("6*7?")
    upstream.script(Reply(tokens=[final("Yes.")]))
    chat.ask("Sure?")
    upstream.script(Reply(tokens=[final("You are welcome.")]))
    state = chat.ask("Thanks.")
    assert [text_of(each) for each in state["messages"]] == [
        *("6*7?", "It is 42.", "Sure?", "Yes.", "Thanks.", "You are welcome.")
    ]
    conversation = [text for _, text in said_to(upstream)]
    assert len(conversation) == 5
    assert conversation[0] == "6*7?"
    assert "It is 42." in conversation[1]
    assert "calculator" not in conversation[1]
    assert "Hm." not in conversation[1]
    assert get(thinking, f"/threads/{chat.id}").json()["messages"][-1]["content"] == (
        "You are welcome."
    )


def test_a_question_that_was_edited_knows_nothing_of_the_first(
    node: Node, shared: Lastword, model: Upstream
):
    chat = Chat(node, shared)
    first = chat.ask("Remember 71.")["messages"][0]["id"]
    state = chat.ask("What was it?", messageId=first)
    assert said_to(model) == [("user", "What was it?")]
    assert [text_of(each) for each in state["messages"]] == ["What was it?", "Hello there."]


def test_an_answer_is_made_again(node: Node, shared: Lastword, model: Upstream):
    chat = Chat(node, shared)
    first = chat.ask("hi")
    before = said_to(model)
    model.script(Reply(tokens=[final("Hello again.")]))
    chat.call("regenerate")
    state = chat.settled()
    assert said_to(model) == before
    assert [text_of(each) for each in state["messages"]] == ["hi", "Hello again."]
    assert state["messages"][1]["id"] != first["messages"][1]["id"]


def test_an_answer_that_failed_says_nothing(node: Node, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=["no JSON", "at all"], finish_reason=None))
    chat = Chat(node, shared)
    failed = chat.ask("hi")
    assert failed["status"] == "error"
    assert text_of(failed["messages"][1]) == ""
    state = chat.ask("again")
    assert said_to(model) == [("user", "hi"), ("user", "again")]
    assert (state["status"], text_of(state["messages"][-1])) == ("ready", "Hello there.")


# Stopping, and leaving


def test_stop_closes_the_models_request(
    node: Node, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(on_disconnect="cancel")
    upstream.script(Stall(tokens=spoken("Hello", " there"), after=2))
    chat = Chat(node, lastword).send("hi").until("Hello")
    chat.call("stop")
    state = chat.settled()
    assert (state["status"], text_of(state["messages"][-1])) == ("ready", "Hello")
    assert state["finishes"] == [{**READY, "isAbort": True}]
    upstream.wait_for(lambda: upstream.cancelled == 1)
    lastword.wait_until_idle()


def test_who_stops_and_asks_again_is_answered(node: Node, shared: Lastword, model: Upstream):
    """The server does not know of the stop for as long as its patience lasts."""
    model.script(Stall(tokens=spoken("Hello", " there"), after=2))
    chat = Chat(node, shared).send("hi").until("Hello")
    chat.call("stop")
    chat.settled()
    assert shared.active == 1
    state = chat.ask("again")
    assert (state["status"], text_of(state["messages"][-1])) == ("ready", "Hello there.")
    assert model.cancelled == 1
    assert [text for _, text in said_to(model)][::2] == ["hi", "again"]


def test_nobody_reads_when_the_page_has_gone(node: Node, shared: Lastword, model: Upstream):
    model.script(Stall(tokens=spoken("Hello", " there"), after=2))
    chat = Chat(node, shared).send("hi").until("Hello")
    run = only_run(shared)
    chat.call("stop")
    wait_for(lambda: shared.runner._audiences[run]._readers == 0)
    delete(shared, f"/runs/{run}")


def test_a_run_that_is_cancelled(node: Node, shared: Lastword, model: Upstream):
    model.script(Stall(tokens=spoken("Hello", " there"), after=2))
    chat = Chat(node, shared).send("hi").until("Hello")
    assert delete(shared, f"/runs/{only_run(shared)}").status_code == 204
    state = chat.settled()
    assert kinds(state)[-2:] == ["message-metadata", "abort"]
    assert "finish" not in kinds(state)
    assert (state["status"], state["errors"]) == ("ready", [])
    _, text = state["messages"][-1]["parts"]
    assert (text["text"], text["state"]) == ("Hello", "done")


def test_a_server_that_goes_down(node: Node, serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve()
    upstream.script(Stall(tokens=spoken("Hello", " there"), after=2))
    chat = Chat(node, lastword).send("hi").until("Hello")
    shut_down(lastword.runner)
    state = chat.settled()
    assert (state["status"], kinds(state)[-2:]) == ("error", ["data-error", "error"])
    assert state["data"][-1]["data"] == {"code": "server_shutdown", "retryable": True}
    refused = chat.ask("again")
    assert refused["error"]["statusCode"] == 503
    assert json.loads(refused["error"]["message"])["code"] == "server_shutdown"


# Coming back


def test_another_page_joins_in_mid_answer(node: Node, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[blob("calculator", "6*7")]))
    stall = model.script(Stall(tokens=spoken("It is ", "42."), after=2))
    first = Chat(node, shared).send("6*7?").until("It is ")
    question = first.call("settled_so_far")["messages"][:1]
    second = Chat(node, shared, first.id, messages=question)
    second.call("resume")
    second.until("It is ")
    stall.gate.release()
    whole, resumed = first.settled(), second.settled()
    assert resumed["status"] == "ready"
    assert resumed["messages"] == whole["messages"]
    assert resumed["chunks"] == whole["chunks"]


def test_a_page_that_was_cut_off_goes_on_with_its_message(
    node: Node, shared: Lastword, model: Upstream
):
    """It has the half of the answer, and is told the whole: no part of it twice."""
    stall = model.script(Stall(tokens=spoken("It is ", "42."), after=2))
    first = Chat(node, shared).send("6*7?").until("It is ")
    so_far = first.call("settled_so_far")["messages"]
    first.call("stop")
    second = Chat(node, shared, first.id, messages=so_far)
    second.call("resume")
    second.until("It is ")
    stall.gate.release()
    state = second.settled()
    assert [text_of(each) for each in state["messages"]] == ["6*7?", "It is 42."]
    assert [each["id"] for each in state["messages"]] == [each["id"] for each in so_far]
    assert model.cancelled == 0


def test_there_is_nothing_to_come_back_to(node: Node, shared: Lastword):
    chat = Chat(node, shared)
    for _ in range(2):  # before a run, and after it
        assert get(shared, f"/api/chat/{chat.id}/stream").status_code == 204
        chat.call("resume")
        assert chat.settled()["status"] == "ready"
        chat.ask("hi")


def test_thoughts_come_back_to_who_asked_in_the_address(
    node: Node, thinking: Lastword, upstream: Upstream
):
    tokens: list[Token] = [{"reasoning_content": "Hm."}, *spoken("Yes", "!")]
    stall = upstream.script(Stall(tokens=tokens, after=3))
    first = Chat(node, thinking, query="?include=thoughts").send("hi").until("Yes")
    second = Chat(node, thinking, first.id, query="?include=thoughts")
    second.call("resume")
    second.until("Yes")
    stall.gate.release()
    assert second.settled()["chunks"] == first.settled()["chunks"]
    assert "reasoning-delta" in kinds(second.settled())


# Text that may not be the answer


@pytest.fixture
def exact(serve: Callable[..., Lastword]) -> Lastword:
    return serve(protocol="message")


def _preamble(upstream: Upstream) -> tuple[Gate, Gate]:
    first, second = Gate(), Gate()
    upstream.script(Reply(tokens=[*PREAMBLE, CALL], finish_reason="tool_calls", gate=first))
    upstream.script(Reply(tokens=ANSWER, gate=second))
    return first, second


def test_it_is_held(node: Node, exact: Lastword, upstream: Upstream):
    for gate in _preamble(upstream):
        gate.release()
    state = Chat(node, exact).ask("6*7?")
    texts = [each["delta"] for each in state["chunks"] if each["type"] == "text-delta"]
    assert texts == ["It is 42."]
    assert "reset-step" not in kinds(state)


@pytest.mark.parametrize(
    ("query", "body"),
    [("?understands=reset-step", {}), ("", {"understands": ["reset-step", "mind-reading"]})],
    ids=["in the address", "in the body"],
)
def test_it_is_taken_back_by_who_can(
    query: str, body: dict[str, Any], node: Node, exact: Lastword, upstream: Upstream
):
    first, second = _preamble(upstream)
    chat = Chat(node, exact, query=query, **body).send("6*7?")
    first.release(2)
    chat.until("Let me see.")
    first.release()
    chat.until("")
    second.release(1)
    chat.until("It is ")
    second.release()
    state = chat.settled()
    assert text_of(state["messages"][-1]) == "It is 42."
    assert [part["type"] for part in state["messages"][-1]["parts"]] == [
        "step-start",
        "dynamic-tool",
        "step-start",
        "text",
    ]
    assert kinds(state).count("reset-step") == 1


def test_the_operator_may_show_it_at_once(
    node: Node, serve: Callable[..., Lastword], upstream: Upstream
):
    for gate in _preamble(upstream):
        gate.release()
    state = Chat(node, serve(protocol="message", answer_mode="eager")).ask("6*7?")
    assert text_of(state["messages"][-1]) == "Let me see.\n\nIt is 42."
