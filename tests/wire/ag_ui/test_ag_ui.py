"""`POST /ag-ui` as `@ag-ui/client` uses it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.replies import Close, Gate, Raw, Reply, Stall, blob, final
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.ag_ui.client import THREAD, AgUi, Told, user
from tests.wire.helpers import TIMEOUT, delete, get, only_run, spoken
from tests.wire.test_faults import AFTER, BEFORE, SAID, SECRET, is_reset
from tests.wire.test_page import shut_down
from tests.wire.test_uncertain import ANSWER, CALL, PREAMBLE

ANSWERED = ["RUN_STARTED", "CUSTOM", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"]
ENDED = ["TEXT_MESSAGE_END", "RUN_FINISHED"]


def is_content(told: Told) -> None:
    """The client, its verifier and its schemas found nothing wrong, and no error came."""
    assert (told["error"], told["failed"], told["warnings"]) == (None, None, [])
    assert told.of("RUN_ERROR") == []
    assert told.kinds[-1] == "RUN_FINISHED"


def failed_with(told: Told) -> str:
    """The code of the one error that a run ended with."""
    assert (told["error"], told["failed"], told["warnings"]) == (None, None, [])
    assert "RUN_FINISHED" not in told.kinds
    (error,) = told.of("RUN_ERROR")
    assert told["events"][-1] == error
    assert SECRET not in json.dumps(told)
    return str(error["code"])


# Answers


def test_an_answer(ag_ui: AgUi, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=spoken("Hello ", "there."), usage=(7, 5)))
    told = ag_ui.run(shared.url, user("Hi"), parameters={"runId": "mine"})
    is_content(told)
    assert told.kinds[:4] == ANSWERED
    assert told.kinds[-2:] == ENDED
    assert told["result"] == {"finish_reason": "stop"}
    assert told["newMessages"] == [
        {"id": told.run_id, "role": "assistant", "content": "Hello there."}
    ]
    for kind in ("RUN_STARTED", "RUN_FINISHED"):
        (event,) = told.of(kind)
        assert (event["threadId"], event["runId"]) == (THREAD, "mine")
    assert event["usage"] == [{"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}]
    assert get(shared, f"/runs/{told.run_id}").json()["answer"] == "Hello there."


def test_the_response(shared: Lastword):
    answer = post(shared)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    run = answer.headers["X-Run-Id"]
    assert answer.headers["Content-Location"] == f"/runs/{run}"
    assert answer.headers["X-Thread-Id"] == THREAD
    lines = answer.content.split(b"\n")
    assert all(line.startswith(b"data: {") or not line for line in lines)
    assert b"\r" not in answer.content


def test_words_arrive_while_the_model_still_writes(shared: Lastword, model: Upstream):
    gate = Gate(2)
    model.script(Reply(tokens=spoken("Hello", " there"), gate=gate))
    with requests.post(shared.url + "/ag-ui", json=asked(), stream=True, timeout=TIMEOUT) as answer:
        arriving = answer.iter_lines()
        assert any(b'"delta":"Hello"' in line for line in arriving)
        assert model.requests[0].sent == 2
        gate.release()
        assert any(b"RUN_FINISHED" in line for line in arriving)


def test_an_empty_answer_is_no_message(ag_ui: AgUi, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[final("")]))
    told = ag_ui.run(shared.url, user("Hi"))
    is_content(told)
    assert told["newMessages"] == []


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_off_says_so(
    reason: str, ag_ui: AgUi, shared: Lastword, model: Upstream
):
    model.script(Reply(tokens=[blob("Final Answer", "As far as it we")[:-6]], finish_reason=reason))
    told = ag_ui.run(shared.url, user("Hi"))
    is_content(told)
    assert (told.text, told["result"]) == ("As far as it we", {"finish_reason": reason})


def test_tools_and_the_next_turn(ag_ui: AgUi, shared: Lastword, model: Upstream):
    """The client sends back all that it was told; the model hears what was said."""
    model.say(blob("calculator", {"expression": "6*7"}))
    model.say(blob("calculator", {"expression": "40+"}))
    model.say(final("It is 42."))
    first = ag_ui.run(shared.url, user("6*7?"), agent="tools")
    is_content(first)
    assert first["finished"] == {"outcome": "success", "pendingToolCallIds": []}
    called, result, _, bad, answer = first["newMessages"]
    (call,) = called["toolCalls"]
    assert call["function"]["name"] == "calculator"
    assert json.loads(call["function"]["arguments"]) == {"expression": "6*7"}
    assert (result["role"], result["toolCallId"]) == ("tool", call["id"])
    assert result["content"] == "42"
    assert bad["toolCallId"] != call["id"]
    assert answer["content"] == "It is 42."

    model.say(final("It is 84."))
    second = ag_ui.run(shared.url, user("Twice that?", "u2"), agent="tools", forget=True)
    is_content(second)
    assert [each["role"] for each in second["messages"]] == [
        "user", "assistant", "tool", "assistant", "tool", "assistant", "user", "assistant",
    ]  # fmt: skip
    heard = model.requests[-1].body["messages"]
    assert [each["content"] for each in heard if each["role"] == "user"][-1] == "Twice that?"
    said = [each for each in heard if each["role"] in {"user", "assistant"}]
    assert [each["role"] for each in said] == ["user", "assistant", "user"]
    assert "It is 42." in said[1]["content"]
    assert "40+" not in json.dumps(heard)


def test_the_conversation_is_the_requests(ag_ui: AgUi, shared: Lastword, model: Upstream):
    """Not the thread's memory: a client may have changed what was said."""
    ag_ui.run(shared.url, user("The word is swordfish."))
    messages = [
        {"id": "s", "role": "system", "content": "Be brief."},
        {"id": "d", "role": "developer", "content": "In German."},
        {"id": "u1", "role": "user", "content": [text("What "), text("is 1+1?")]},
        {"id": "a1", "role": "assistant", "content": "Zwei."},
        {"id": "r1", "role": "reasoning", "content": "Hm."},
        {"id": "c1", "role": "activity", "activityType": "plan", "content": {"a": 1}},
    ]
    context = [
        {"description": "The user's name", "value": "Ada"},
        {"description": "Time", "value": "noon"},
    ]
    told = ag_ui.run(
        shared.url,
        *messages,
        user("And 2+2?", "u2"),
        parameters={"context": context, "tools": []},
        config={"initialState": {"theme": "dark"}},
    )
    is_content(told)
    heard = json.dumps(model.requests[-1].body["messages"])
    for words in ("Be brief.", "In German.", "What is 1+1?", "Zwei.", "And 2+2?"):
        assert words in heard
    assert "The user's name: Ada\\nTime: noon" in heard
    assert "Hm." not in heard
    assert "swordfish" not in heard


def test_the_thread_remembers(ag_ui: AgUi, shared: Lastword):
    ag_ui.run(shared.url, user("Hi"), config={"threadId": "remembered"})
    thread = get(shared, "/threads/remembered").json()
    assert [each["content"] for each in thread["messages"]] == ["Hi", "Hello there."]


def test_properties_reach_the_model(
    ag_ui: AgUi, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(models=["openai:other"])
    props = {"model": "openai:other", "temperature": 0.25, "theme": "dark"}
    is_content(ag_ui.run(lastword.url, user("Hi"), parameters={"forwardedProps": props}))
    body = upstream.requests[0].body
    assert (body["model"], body["temperature"]) == ("other", 0.25)


def test_thoughts_only_when_asked_for(
    ag_ui: AgUi, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(protocol="message")
    for _ in range(2):
        upstream.script(Reply(tokens=[{"reasoning_content": "Let me see."}, "It is 42."]))
    told = ag_ui.run(lastword.url, user("Hi"))
    assert [each["role"] for each in told["newMessages"]] == ["assistant"]
    include = {"forwardedProps": {"include": ["thoughts"]}}
    told = ag_ui.run(lastword.url, user("Hi"), parameters=include)
    is_content(told)
    thought, answer = told["newMessages"]
    assert (thought["role"], thought["content"]) == ("reasoning", "Let me see.")
    assert answer["content"] == told.text == "It is 42."


@pytest.mark.parametrize(
    ("mode", "said"), [("exact", "It is 42."), ("eager", "Let me see.\n\nIt is 42.")]
)
def test_what_may_not_be_the_answer(
    mode: str, said: str, ag_ui: AgUi, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(protocol="message", answer_mode=mode)
    upstream.script(Reply(tokens=[*PREAMBLE, CALL], finish_reason="tool_calls"))
    upstream.script(Reply(tokens=ANSWER))
    told = ag_ui.run(lastword.url, user("6*7?"))
    is_content(told)
    assert told.text == said
    assert len(told.of("TEXT_MESSAGE_START")) == 1


def test_every_hostile_text_arrives(ag_ui: AgUi, shared: Lastword, model: Upstream):
    pieces = ["\r", "\n\n", "\r\ndata: x\n\n", "\0", "\ufeff", "\u2028", "🤙🏽", "\ud83e", "x" * 99]
    model.script(Reply(tokens=spoken(*pieces)))
    told = ag_ui.run(shared.url, user("Hi"))
    is_content(told)
    assert told.text == "".join(pieces).replace("\ud83e", "\ufffd")


# Failures


@pytest.mark.parametrize(("code", "reply"), BEFORE.values(), ids=BEFORE)
def test_faults_before_the_answer(
    code: str, reply: Reply | Raw, ag_ui: AgUi, shared: Lastword, model: Upstream
):
    model.script(reply)
    told = ag_ui.run(shared.url, user("Hi"))
    assert failed_with(told) == code
    assert told.kinds == ["RUN_STARTED", "CUSTOM", "RUN_ERROR"]
    is_content(ag_ui.run(shared.url, user("again")))


@pytest.mark.parametrize(("code", "reply"), AFTER.values(), ids=AFTER)
def test_faults_in_the_answer(
    code: str, reply: Reply, ag_ui: AgUi, shared: Lastword, model: Upstream
):
    model.script(reply)
    told = ag_ui.run(shared.url, user("Hi"))
    assert failed_with(told) == code
    assert told.text == SAID or (is_reset(reply) and SAID.startswith(told.text))
    assert len(told.of("TEXT_MESSAGE_START")) == len(told.of("TEXT_MESSAGE_END"))


def test_asking_again_after_a_failure(ag_ui: AgUi, shared: Lastword, model: Upstream):
    """A tool had answered, and then nothing came: the question is still the last word."""
    model.say(blob("calculator", "6*7"))
    model.script(Close(after=0))
    told = ag_ui.run(shared.url, user("6*7?"), agent="retry")
    assert failed_with(told) == "upstream_truncated"
    assert told["messages"][-1]["role"] == "tool"
    model.say(final("42"))
    told = ag_ui.run(shared.url, agent="retry", forget=True)
    is_content(told)
    assert told.text == "42"


def test_the_server_goes_down(ag_ui: AgUi, serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve()
    upstream.script(Stall(tokens=spoken("As far", "as"), after=2))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ag_ui.run, lastword.url, user("Hi"))
        has_said(lastword, "As far")
        shut_down(lastword.runner)
        told = running.result(TIMEOUT)
    assert failed_with(told) == "server_shutdown"
    assert told.of("RUN_ERROR")[0]["metadata"] == {"lastword": {"retryable": True}}
    assert told.text == "As far"
    refused = ag_ui.run(lastword.url, user("Hi"))["error"]
    assert (refused["status"], "server_shutdown" in refused["payload"]) == (503, True)


def test_a_busy_server(ag_ui: AgUi, serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(max_runs=1)
    stall = upstream.script(Stall(tokens=spoken("a", "b"), after=2))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ag_ui.run, lastword.url, user("Hi"))
        has_said(lastword, "a")
        refused = post(lastword, threadId="another")
        stall.gate.release()
        is_content(running.result(TIMEOUT))
    assert (refused.status_code, refused.json()["code"]) == (429, "busy")
    assert refused.headers["Retry-After"] == "1"


# Stopping


def has_said(lastword: Lastword, words: str) -> str:
    """Waits until the one run has said this. Returns its id."""
    wait_for(lambda: lastword.active == 1)
    run = only_run(lastword)
    wait_for(lambda: get(lastword, f"/runs/{run}").json()["answer"] == words)
    return run


def test_a_run_that_is_cancelled(ag_ui: AgUi, shared: Lastword, model: Upstream):
    model.script(Stall(tokens=spoken("As far", "as"), after=2))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ag_ui.run, shared.url, user("Hi"))
        run = has_said(shared, "As far")
        assert delete(shared, f"/runs/{run}").status_code == 204
        told = running.result(TIMEOUT)
    is_content(told)
    assert told["finished"] == {"outcome": "cancelled"}
    assert told.text == "As far"


def test_abort_stops_the_model(ag_ui: AgUi, serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(on_disconnect="cancel")
    upstream.script(Stall(tokens=spoken("As far", "as"), after=2))
    told = ag_ui.run(lastword.url, user("Hi"), abortAt="As far")
    assert told.of("RUN_ERROR")[0]["code"] == "abort", "the client's own word for it"
    upstream.wait_for(lambda: upstream.cancelled == 1)
    lastword.wait_until_idle()
    assert get(lastword, f"/runs/{told.run_id}").json()["state"] == "cancelled"


def test_the_next_question_stops_the_last_one(ag_ui: AgUi, shared: Lastword, model: Upstream):
    """To the client, an aborted run is over; here it may have been left to wait."""
    model.script(Stall(tokens=spoken("As far", "as"), after=2))
    aborted = ag_ui.run(shared.url, user("Hi"), abortAt="As far", agent="next")
    assert get(shared, f"/runs/{aborted.run_id}").json()["state"] == "running"
    is_content(ag_ui.run(shared.url, user("Again", "u2"), agent="next", forget=True))
    assert get(shared, f"/runs/{aborted.run_id}").json()["state"] == "cancelled"
    model.wait_for(lambda: model.cancelled == 1)


# Hearing a run again


def follow(**named: str) -> dict[str, Any]:
    return {"forwardedProps": {"lastword": named}}


@pytest.mark.parametrize("how", ["its id", "its thread", "connectAgent"])
def test_a_run_in_progress_goes_on(how: str, ag_ui: AgUi, shared: Lastword, model: Upstream):
    stall = model.script(Stall(tokens=spoken("As far ", "as it goes"), after=2))
    lost = ag_ui.run(shared.url, user("Hi"), abortAt="As far ", agent=how)
    assert lost.text == "As far "
    audience = shared.runner._audiences[lost.run_id]
    wait_for(lambda: not audience.is_there)
    again = follow(run_id=lost.run_id) if how == "its id" else follow()
    verb = {"verb": "connectAgent"} if how == "connectAgent" else {"parameters": again}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ag_ui.run, shared.url, agent=how, forget=True, **verb)
        wait_for(lambda: audience.is_there)
        stall.gate.release()
        told = running.result(TIMEOUT)
    is_content(told)
    assert told.kinds[:5] == [
        "RUN_STARTED", "CUSTOM", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT",
    ]  # fmt: skip
    assert told.run_id == lost.run_id
    assert told["messages"] == [
        user("Hi"),
        {"id": lost.run_id, "role": "assistant", "content": "As far as it goes"},
    ]


@pytest.mark.parametrize("bytes_", [0, 1, 90, 250, 400, 600, 700, 800, 900, 1000, 1200, 9999])
def test_a_line_that_breaks(bytes_: int, ag_ui: AgUi, shared: Lastword, model: Upstream):
    """Anywhere, also after the end: nothing is lost, nothing is told twice."""
    model.say(blob("calculator", {"expression": "6*7"}))
    model.script(Reply(tokens=spoken("It ", "is ", "42.")))
    thread = {"threadId": f"broken-{bytes_}"}
    lost = ag_ui.run(shared.url, user("Hi"), config=thread, agent=f"{bytes_}", breakAfter=bytes_)
    assert lost["error"]["message"] == "the line broke"
    shared.wait_until_idle()
    again = follow(run_id=lost["run"])
    told = ag_ui.run(shared.url, agent=f"{bytes_}", forget=True, parameters=again)
    is_content(told)
    kept = [(each["role"], each.get("content")) for each in told["messages"]]
    assert kept == [("user", "Hi"), ("assistant", None), ("tool", "42"), ("assistant", "It is 42.")]
    (call,) = told["messages"][1]["toolCalls"]
    assert json.loads(call["function"]["arguments"]) == {"expression": "6*7"}


def test_only_what_there_is_can_be_heard(ag_ui: AgUi, shared: Lastword):
    done = ag_ui.run(shared.url, user("Hi"))
    for thread, named in [
        (THREAD, {"run_id": "0" * 32}),
        ("another", {"run_id": done.run_id}),
        (THREAD, {}),
    ]:
        refused = ag_ui.run(shared.url, config={"threadId": thread}, parameters=follow(**named))[
            "error"
        ]
        assert refused["status"] == 404
        assert json.loads(refused["payload"])["code"] == "not_found"


# Others


def test_two_users(ag_ui: AgUi, serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(api_keys="sk-anne, sk-bob")
    stall = upstream.script(Stall(tokens=spoken("As far ", "as it goes"), after=2))
    anne = ag_ui.run(lastword.url, user("Hi"), key="sk-anne", abortAt="As far ")
    for named in ({"run_id": anne.run_id}, {}):
        bob = ag_ui.run(lastword.url, key="sk-bob", parameters=follow(**named))
        assert bob["error"]["status"] == 404
    is_content(ag_ui.run(lastword.url, user("Hi"), key="sk-bob"))  # of that name, his own thread
    assert lastword.active == 1
    assert ag_ui.run(lastword.url, user("Hi"))["error"]["status"] == 401
    again = ag_ui.run(lastword.url, key="sk-anne", parameters=follow(), abortAt="As far ")
    assert again.run_id == anne.run_id
    stall.gate.release()
    lastword.wait_until_idle()
    told = ag_ui.run(lastword.url, key="sk-anne", parameters=follow(run_id=anne.run_id))
    assert told.text == "As far as it goes"


def test_other_pages_are_refused(shared: Lastword):
    refused = requests.post(
        shared.url + "/ag-ui", json=asked(), headers={"Origin": "http://evil"}, timeout=TIMEOUT
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def asked(**fields: Any) -> dict[str, Any]:
    return {"threadId": THREAD, "runId": "r", "messages": [user("Hi")], **fields}


def post(lastword: Lastword, **fields: Any) -> requests.Response:
    return requests.post(lastword.url + "/ag-ui", json=asked(**fields), timeout=TIMEOUT)


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}
