"""What a request may say, what it may not, and what becomes of its conversation."""

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
import requests

from agent.request import Message
from tests.replies import final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import TIMEOUT, get
from tests.wire.openai.clients import HI, MODEL, PATH, post, python
from wire.openai.request import MAX_MESSAGES, ChatCompletionRequest

CANARY = "canary-4711"
IMAGE = {"type": "image_url", "image_url": {"url": f"https://{CANARY}"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": CANARY, "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": CANARY}}
TEXT = {"type": "text", "text": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": CANARY, "arguments": "{}"}}


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "tools": ("tools", {"tools": [{"type": "function", "function": {"name": CANARY}}]}),
    "no tools": ("tools", {"tools": CANARY}),
    "a tool": ("tool_choice", {"tool_choice": {"type": "function", "function": {"name": "x"}}}),
    "any tool": ("tool_choice", {"tool_choice": "required"}),
    "functions": ("functions", {"functions": [{"name": CANARY}]}),
    "a function": ("function_call", {"function_call": {"name": CANARY}}),
    "the web": ("web_search_options", {"web_search_options": {}}),
    "two answers": ("n", {"n": 2}),
    "JSON": ("response_format", {"response_format": {"type": "json_object"}}),
    "a schema": ("response_format", {"response_format": {"type": "json_schema", "x": CANARY}}),
    "sound": ("modalities", {"modalities": ["text", "audio"]}),
    "a voice": ("audio", {"audio": {"voice": CANARY, "format": "wav"}}),
    "a prediction": ("prediction", {"prediction": {"type": "content", "content": CANARY}}),
    "moderation": ("moderation", {"moderation": {"model": CANARY}}),
    "logprobs": ("logprobs", {"logprobs": True}),
    "top_logprobs": ("top_logprobs", {"top_logprobs": 3}),
    "logit_bias": ("logit_bias", {"logit_bias": {"50256": -100}}),
    "top_p": ("top_p", {"top_p": 0.5}),
    "frequency_penalty": ("frequency_penalty", {"frequency_penalty": 1}),
    "presence_penalty": ("presence_penalty", {"presence_penalty": -1}),
    "a field that is none": ("temprature", {"temprature": CANARY}),
    "too hot": ("temperature", {"temperature": 2.1}),
    "words for temperature": ("temperature", {"temperature": CANARY}),
    "no tokens": ("max_tokens", {"max_tokens": 0}),
    "fewer tokens": ("max_completion_tokens", {"max_completion_tokens": -1}),
    "both": ("max_tokens", {"max_tokens": 5, "max_completion_tokens": 6}),
    "five stops": ("stop", {"stop": ["1", "2", "3", "4", "5"]}),
    "an empty stop": ("stop.0", {"stop": [""]}),
    "a number for stop": ("stop", {"stop": 1}),
    "a large seed": ("seed", {"seed": 2**63}),
    "a long user": ("user", {"user": CANARY * 100}),
    "words for stream": ("stream", {"stream": CANARY}),
    "no options": ("stream_options", {"stream_options": CANARY}),
    "words for usage": ("stream_options.include_usage", {"stream_options": {"include_usage": "?"}}),
    "words for reasoning": ("include_reasoning", {"include_reasoning": CANARY}),
    "a path for a thread": ("metadata.thread_id", {"metadata": {"thread_id": "../other"}}),
    "no metadata": ("metadata", {"metadata": CANARY}),
    "a long model": ("model", {"model": CANARY * 100}),
    "no list": ("messages", {"messages": CANARY}),
    "no messages": ("messages", {"messages": []}),
    "too many": ("messages", {"messages": HI * (MAX_MESSAGES + 1)}),
    "an image": ("messages.0.content.1.type", {"messages": user([TEXT, IMAGE])}),
    "a sound": ("messages.0.content.0.type", {"messages": user([AUDIO])}),
    "a file": ("messages.0.content.0.type", {"messages": user([FILE])}),
    "a part that is none": ("messages.0.content.0", {"messages": user([CANARY])}),
    "a part without text": ("messages.0.content.0.text", {"messages": user([{"type": "text"}])}),
    "a number": ("messages.0.content", {"messages": user(4711)}),
    "nothing": ("messages.0.content", {"messages": user(None)}),
    "spaces": ("messages.0.content", {"messages": user(" \n")}),
    "NUL": ("messages.0.content", {"messages": user(CANARY + "\0")}),
    "a surrogate": ("messages.0.content", {"messages": user("\ud800")}),
    "nobody": ("messages.0.role", {"messages": [{"content": "hi"}]}),
    "somebody": ("messages.0.role", {"messages": [{"role": CANARY, "content": "hi"}]}),
    "a tool's answer": (
        "messages.0.role",
        {"messages": [{"role": "tool", "tool_call_id": "c1", "content": CANARY}, *HI]},
    ),
    "a call": (
        "messages.1.tool_calls",
        {"messages": [*HI, {"role": "assistant", "content": None, "tool_calls": [CALL]}, *HI]},
    ),
    "an old call": (
        "messages.0.function_call",
        {"messages": [{"role": "assistant", "function_call": {"name": CANARY}}, *HI]},
    ),
    "an answer that was spoken": (
        "messages.0.audio",
        {"messages": [{"role": "assistant", "audio": {"id": CANARY}}, *HI]},
    ),
    "the assistant's turn": (
        "messages.1.role",
        {"messages": [*HI, {"role": "assistant", "content": "And"}]},
    ),
}


@pytest.mark.parametrize(("field", "body"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_had_is_named(
    field: str, body: dict[str, Any], shared: Lastword, model: Upstream
):
    given = {"model": MODEL, "messages": HI} | body
    content = json.dumps(given)
    answer = requests.post(
        shared.url + PATH,
        data=content,
        headers={"Content-Type": "application/json"},
        timeout=TIMEOUT,
    )
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["param"], error["type"]) == (field, "invalid_request_error")
    assert error["message"].startswith(f"{field}: ")
    assert error["code"] == "bad_request"
    assert CANARY not in answer.text
    assert model.requests == []


def test_the_clients_say_which_field(shared: Lastword):
    with python(shared) as client, pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=HI, n=2)
    assert refused.value.param == "n"
    assert "only 1 is supported here" in str(refused.value)


NEUTRAL: list[dict[str, Any]] = [
    {"tools": [], "functions": [], "tool_choice": "auto", "function_call": "none"},
    {"n": 1, "response_format": {"type": "text"}, "modalities": ["text"]},
    {"logprobs": False, "top_logprobs": 0, "logit_bias": {}, "top_p": 1},
    {"frequency_penalty": 0, "presence_penalty": 0.0, "top_p": 1.0, "tool_choice": "none"},
    {"store": True, "service_tier": "auto", "reasoning_effort": "low", "verbosity": "low"},
    {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "safety_identifier": "anne"},
    {"parallel_tool_calls": False, "prompt_cache_options": {}, "metadata": {"label": "x"}},
    {"max_tokens": 5, "max_completion_tokens": 5, "stop": [], "user": ""},
    dict.fromkeys(ChatCompletionRequest.model_fields, None) | {"messages": HI},
]


@pytest.mark.parametrize("body", NEUTRAL)
def test_what_asks_for_nothing_is_taken(body: dict[str, Any], shared: Lastword):
    answer = requests.post(shared.url + PATH, json={"messages": HI} | body, timeout=TIMEOUT)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello there."


HOSTILE = {
    "many parts": {"messages": user([1] * 80_000)},
    "many messages": {"messages": [1] * 80_000},
    "many fields": {f"field-{n}": 1 for n in range(12_000)},
    "many stops": {"stop": [1] * 80_000},
    "deep": {"tools": json.loads("[" * 200 + "]" * 200)},
    "many labels": {"metadata": {f"field-{n}": 1 for n in range(12_000)}, "n": 2},
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies_get_short_answers(body: dict[str, Any], shared: Lastword):
    answer = post(shared, **({"messages": HI} | body))
    assert answer.status_code == 400
    assert len(answer.content) < 2000


# The conversation


def test_the_messages_are_the_conversation(lastword: Lastword, upstream: Upstream):
    assistant = {"role": "assistant", "content": "I will.", "refusal": None, "tool_calls": []}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Rem"}, {"type": "text", "text": "ember 71."}],
        },
        assistant | {"annotations": [], "audio": None, "function_call": None},
        {"role": "user", "name": "anne", "content": "What was it?"},
    ]
    for _ in range(2):  # what is asked once is not there the second time
        assert post(lastword, messages).ok
        said = upstream.requests[-1].body["messages"]
        text = json.dumps(said)
        assert text.count("Remember 71.") == text.count("I will.") == 1
        assert "Be brief." in text
        assert "Be kind." in text
        assert "What was it?" in said[-1]["content"]


def test_without_a_thread_nothing_is_remembered(lastword: Lastword, upstream: Upstream):
    for _ in range(2):
        answer = post(lastword)
        assert get(lastword, f"/threads/{answer.headers['X-Thread-Id']}").status_code == 404
        assert "Hello there." not in json.dumps(upstream.requests[-1].body["messages"])


def test_a_thread_can_be_joined(lastword: Lastword, upstream: Upstream):
    thread = {"metadata": {"thread_id": "t", "mine": "x"}}
    upstream.say(final("I will."))
    assert post(lastword, user("Remember 71."), **thread).headers["X-Thread-Id"] == "t"
    assert post(lastword, user("What was it?"), **thread).ok
    said = json.dumps(upstream.requests[-1].body["messages"])
    assert "Remember 71." in said
    assert "I will." in said
    kept = get(lastword, "/threads/t").json()["messages"]
    assert [message["content"] for message in kept] == [
        "Remember 71.",
        "I will.",
        "What was it?",
        "Hello there.",
    ]


def test_a_conversation_that_comes_along_replaces_the_threads(
    lastword: Lastword, upstream: Upstream
):
    thread = {"metadata": {"thread_id": "t"}}
    post(lastword, user("Remember 71."), **thread)
    before = [*user("Remember 72."), {"role": "assistant", "content": "As you wish."}]
    post(lastword, [*before, *user("What was it?")], **thread)
    said = json.dumps(upstream.requests[-1].body["messages"])
    assert "Remember 72." in said
    assert "Remember 71." not in said
    kept = get(lastword, "/threads/t").json()["messages"]
    assert [each["content"] for each in kept[:2]] == ["Remember 72.", "As you wish."]


def test_a_thread_is_its_owners(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(api_keys="sk-anne, sk-bob")
    thread = {"metadata": {"thread_id": "t"}}
    post(lastword, user("Remember 71."), "sk-anne", **thread)
    post(lastword, user("What was it?"), "sk-bob", **thread)
    assert "Remember" not in json.dumps(upstream.requests[-1].body["messages"])


def test_parts_are_one_text():
    asked = ChatCompletionRequest.model_validate(
        {"messages": [{"role": "developer"}, *user([TEXT, TEXT])]}
    ).as_run(None)
    assert (asked.text, asked.history) == ("hihi", [Message("system", "")])


# Models


def test_an_unknown_model(shared: Lastword, model: Upstream):
    for name in (CANARY, "test", "lastword", ""):
        answer = post(shared, model=name)
        assert answer.status_code == 404
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("model_not_found", "model")
        assert CANARY not in answer.text
    assert model.requests == []


def test_ones_own_agent_whose_models_have_no_names(
    serve: Callable[..., Lastword], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    lastword = serve(agent="tests.examples.my_agent:agent", protocol=None)
    with python(lastword) as client:
        assert [each.id for each in client.models.list()] == ["lastword"]
        assert client.models.retrieve("lastword").id == "lastword"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-4.1")
    answer = post(lastword, model="lastword", seed=3, max_tokens=5)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "max_tokens")


# The documentation


def test_the_examples_are_true(shared: Lastword):
    """Apart from what is null, which no example can show."""
    documentation = get(shared, "/openapi.json").json()
    paths, schemas = documentation["paths"], documentation["components"]["schemas"]
    (example,) = schemas["ChatCompletionRequest"]["examples"]
    example |= {"model": MODEL, "stream_options": None}
    content = paths["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}
    whole = post(shared, **(example | {"stream": False})).json()
    assert shape(content["application/json"]["example"]) == shape(whole)
    first = content["text/event-stream"]["example"].partition("\n")[0]
    chunk = post(shared, **example).text.split("\n\n")[1]
    assert shape(json.loads(first[6:])) == shape(json.loads(chunk[6:]))
    listed = paths["/v1/models"]["get"]["responses"]["200"]["content"]["application/json"]
    assert shape(listed["example"]) == shape(get(shared, "/v1/models").json())
    taken = schemas["ChatCompletionRequest"]["properties"]
    assert taken["n"]["enum"] == [None, 1]
    assert {option.get("type") for option in taken["stop"]["anyOf"]} == {"string", "array", "null"}


def shape(value: Any) -> Any:
    """The names in it, and the types of what they stand for."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items() if each is not None}
    return [shape(value[0])] if isinstance(value, list) else type(value)
