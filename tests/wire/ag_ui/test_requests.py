"""What `POST /ag-ui` refuses, by the field's own name, and what it lets pass."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.replies import final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.ag_ui.client import THREAD, AgUi, user
from tests.wire.helpers import TIMEOUT, Shared, get
from wire.conversation import MAX_MESSAGES

CANARY = "canary-4711"
IMAGE = {"type": "image", "source": {"type": "url", "value": f"http://{CANARY}"}}
TOOL = {"name": CANARY, "description": "A client's own", "parameters": {"type": "object"}}
PICTURE = {**user(""), "content": [{"type": "text", "text": "See:"}, IMAGE]}
ANSWER = {"id": "a", "role": "assistant", "content": "Yes?"}


def body(**fields: Any) -> bytes:
    return json.dumps(
        {"threadId": THREAD, "runId": "r", "messages": [user("Hi")], **fields}
    ).encode()


def props(**fields: Any) -> bytes:
    return body(forwardedProps=fields)


def post(lastword: Lastword, content: bytes) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    return requests.post(f"{lastword.url}/ag-ui", data=content, headers=headers, timeout=TIMEOUT)


@pytest.fixture(autouse=True)
def _harmless(house: Shared) -> Iterator[None]:
    yield
    house.lastword.wait_until_idle()


INVALID = {
    "nothing": ("body", b"null"),
    "no thread": ("threadId", b'{"runId": "r", "messages": []}'),
    "a path for a thread": ("threadId", body(threadId="../other")),
    "a long thread": ("threadId", body(threadId="x" * 129)),
    "no run": ("runId", json.dumps({"threadId": "t", "messages": [user("Hi")]}).encode()),
    "a long run": ("runId", body(runId="x" * 257)),
    "a number for a run": ("runId", body(runId=1)),
    "half a character in a run": ("runId", body(runId="\ud800")),
    "a long parent": ("parentRunId", body(parentRunId="x" * 257)),
    "no list of messages": ("messages", body(messages=user("Hi"))),
    "no messages": ("messages", body(messages=[])),
    "too many messages": ("messages", body(messages=[ANSWER] * (MAX_MESSAGES + 1))),
    "no question": ("messages.1.role", body(messages=[user("Hi"), ANSWER])),
    "nobody's words only": ("messages", body(messages=[{"id": "t", "role": "tool"}])),
    "an empty question": ("messages.1.content", body(messages=[ANSWER, user(" \n")])),
    "a question of nothing": ("messages.0.content", body(messages=[{"id": "u", "role": "user"}])),
    "a message without id": ("messages.0.id", body(messages=[{"role": "user", "content": "Hi"}])),
    "a role that is none": ("messages.0.role", body(messages=[{**ANSWER, "role": CANARY}])),
    "a number for content": ("messages.0.content", body(messages=[{**ANSWER, "content": 4711}])),
    "an image": ("messages.1.content.1.type", body(messages=[ANSWER, PICTURE])),
    "a part that is none": ("messages.0.content.0", body(messages=[{**ANSWER, "content": [1]}])),
    "NUL": ("messages.1.content", body(messages=[user("Hi"), user(f"{CANARY}\0")])),
    "half a character": ("messages.0.content", body(messages=[user("\ud800")])),
    "tools": ("tools", body(tools=[TOOL])),
    "no list of tools": ("tools", body(tools=TOOL)),
    "an answer to an interrupt": (
        "resume",
        body(resume=[{"interruptId": "i", "status": "resolved"}]),
    ),
    "context that is none": ("context.0.value", body(context=[{"description": "d"}])),
    "NUL in the context": ("context.0.value", body(context=[{"description": "", "value": "\0"}])),
    "half a character there": (
        "context.0.value",
        body(context=[{"description": "", "value": "\ud800"}]),
    ),
    "too much context": ("context", body(context=[{"description": "", "value": ""}] * 101)),
    "properties that are none": ("forwardedProps", body(forwardedProps=[CANARY])),
    "too hot": ("forwardedProps.temperature", props(temperature=2.1)),
    "not a number": ("forwardedProps.temperature", props(temperature=float("nan"))),
    "a long model": ("forwardedProps.model", props(model="m" * 201)),
    "an unknown model": ("model", props(model=CANARY)),
    "an unknown extra": ("forwardedProps.include", props(include=[CANARY])),
    "a place in a run": ("forwardedProps.lastword.after", props(lastword={"after": "7"})),
    "a long run of ours": ("forwardedProps.lastword.run_id", props(lastword={"run_id": "x" * 129})),
}


@pytest.mark.parametrize(("field", "content"), INVALID.values(), ids=INVALID)
def test_a_field_that_is_wrong_is_named(
    field: str, content: bytes, shared: Lastword, model: Upstream
):
    answer = post(shared, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(field)
    assert CANARY not in answer.text
    assert model.requests == []


MANY = {
    "messages": body(messages=[{}] * MAX_MESSAGES),
    "parts": body(messages=[{**ANSWER, "content": [{}] * 50_000}]),
    "context": body(context=[{}] * 50_000),
    "tools": body(tools=[{}] * 50_000),
    "fields": body(**{f"x{n}": n for n in range(15_000)}),
}


@pytest.mark.parametrize("content", MANY.values(), ids=MANY)
def test_many_mistakes_make_a_short_answer(content: bytes, shared: Lastword):
    assert len(post(shared, content).content) < 2048


FINE = {
    "what other clients send": body(
        state={"a": [1, None]}, protocolVersion="1.7", parentRunId="p", name=CANARY, tools=[]
    ),
    "null": body(
        tools=None, context=None, forwardedProps=None, resume=None, state=None, parentRunId=None
    ),
    "no resume": body(resume=[], context=[]),
    "an application's own properties": props(theme={"dark": True}, command=None, lastword=None),
    "what earlier answers left": body(
        messages=[
            user("Hi"),
            {"id": "1", "role": "assistant", "toolCalls": [{"id": "c"}]},
            {"id": "2", "role": "tool", "toolCallId": "c", "content": [IMAGE]},
            {"id": "3", "role": "activity", "content": {"a": "\0"}},
            {"id": "4", "role": "reasoning", "content": "Hm"},
            {"id": "5", "role": "assistant", "content": None},
        ]
    ),
}


@pytest.mark.parametrize("content", FINE.values(), ids=FINE)
def test_what_means_nothing_here_is_let_pass(content: bytes, shared: Lastword):
    answer = post(shared, content)
    assert answer.status_code == 200, answer.text
    assert b'"type":"RUN_FINISHED"' in answer.content


def test_the_client_is_told_what_is_wrong(ag_ui: AgUi, shared: Lastword):
    refused = ag_ui.run(shared.url, user("Hi"), parameters={"tools": [TOOL]})["error"]
    assert refused["status"] == 422
    assert json.loads(refused["payload"])["errors"][0]["field"] == "tools"


def test_it_is_documented(shared: Lastword):
    documented = get(shared, "/openapi.json").json()
    (schema,) = [
        each["schema"]
        for each in documented["paths"]["/ag-ui"]["post"]["requestBody"]["content"].values()
    ]
    fields = documented["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert fields["required"] == ["threadId", "runId", "messages"]
    assert fields["examples"]


@pytest.mark.parametrize(("depth", "end"), [(190, "RUN_FINISHED"), (210, "nested too deeply")])
def test_what_is_too_deep_to_be_told_again_is_refused(
    depth: int, end: str, shared: Lastword, model: Upstream
):
    model.say(final("Yes."))
    again = {"lastword": {"run_id": post(shared, body()).headers["X-Run-Id"]}}
    asked = body(messages=[{**user("Hi"), "extra": "DEEP"}], forwardedProps=again)
    told = post(shared, asked.replace(b'"DEEP"', b"[" * depth + b"]" * depth))
    assert end in told.text
