"""`/chat` as its clients use it, the tutorial's own first."""

import json
import re
import threading
from collections.abc import Callable

import pytest
import requests

from agent.offline.model import OfflineChatModel
from tests.replies import Gate, Reply, blob, final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, JSON, TEXT, TIMEOUT, answer_of, ask, parse, spoken


@pytest.fixture
def calculating(serve: Callable[..., Lastword], monkeypatch: pytest.MonkeyPatch) -> Lastword:
    """The server as it is without any setting: offline, but not so slow."""
    monkeypatch.setattr(OfflineChatModel, "_pause", 0)
    return serve(model="offline", openai_base_url=None)


# The tutorial


def test_the_tutorials_health_check(shared: Lastword):
    url = shared.url
    assert requests.get(url + "/health", timeout=TIMEOUT).json() == {"status": "🤙"}


def test_the_tutorials_client_prints_the_answer_and_nothing_else(
    shared: Lastword, model: Upstream, capsys: pytest.CaptureFixture[str]
):
    model.say(blob("calculator", "6*7"), cut=3)
    model.say(final("Hello! How can I help you?"), cut=3)
    url = shared.url + "/chat"
    message = "hello there!"
    data = {"text": message}
    headers = {"Content-type": "application/json"}
    with requests.get(
        url, data=json.dumps(data), headers=headers, stream=True, timeout=TIMEOUT
    ) as r:
        for chunk in r.iter_content():
            print(chunk.decode(), end="")
    assert capsys.readouterr().out == "Hello! How can I help you?"


def test_tokens_arrive_while_the_model_still_writes(shared: Lastword, model: Upstream):
    gate = Gate()
    reply = model.script(Reply(tokens=spoken("Hello", " there", "!"), gate=gate))
    gate.release(2)  # what leads to the answer, and its first token
    with requests.get(
        shared.url + "/chat", json={"text": "hello there!"}, stream=True, timeout=TIMEOUT
    ) as r:
        arriving = r.iter_content(chunk_size=None)
        for sent, piece in enumerate([b"Hello", b" there", b"!"], 2):
            assert next(arriving) == piece
            assert model.requests[0].sent == sent < len(reply.tokens)
            gate.release(1)
        gate.release()
        assert list(arriving) == []


def test_the_calculators_conversation(calculating: Lastword):
    first = ask(calculating, "what is the square root of 71?")
    assert "8.42614977" in first.text
    thread = first.headers["X-Thread-Id"]
    second = ask(calculating, "and that times two?", thread_id=thread)
    assert "16.8522995" in second.text
    assert second.headers["X-Thread-Id"] == thread

    elsewhere = ask(calculating, "and that times two?")
    assert "16.85" not in elsewhere.text


def test_the_calculators_conversation_as_one_document(calculating: Lastword):
    first = ask(calculating, "what is the square root of 71?", JSON).json()
    second = ask(calculating, "and that times two?", JSON, thread_id=first["thread_id"]).json()
    assert first["chat_history"] == []
    assert second["input"] == "and that times two?"
    assert second["chat_history"] == [
        {"role": "user", "content": "what is the square root of 71?"},
        {"role": "assistant", "content": first["output"]},
    ]
    assert "16.8522995" in second["output"]


# The ways to ask


def _by_post(url: str) -> requests.Response:
    return requests.post(url, json={"text": "What?", "thread_id": "t-1"}, timeout=TIMEOUT)


def _by_get_with_a_body(url: str) -> requests.Response:
    return requests.get(url, json={"text": "What?", "thread_id": "t-1"}, timeout=TIMEOUT)


def _by_query(url: str) -> requests.Response:
    return requests.get(url, params={"text": "What?", "thread_id": "t-1"}, timeout=TIMEOUT)


@pytest.mark.parametrize("way", [_by_post, _by_get_with_a_body, _by_query])
def test_the_ways_to_ask(
    way: Callable[[str], requests.Response], serve: Callable[..., Lastword], upstream: Upstream
):
    answer = way(serve().url + "/chat")
    assert (answer.status_code, answer.text) == (200, "Hello there.")
    assert answer.headers["X-Thread-Id"] == "t-1"
    assert upstream.requests[0].body["messages"][-1] == {"role": "user", "content": "What?"}


ACCEPTS = [
    ({}, {}, TEXT),
    ({"Accept": "*/*"}, {}, TEXT),
    ({"Accept": "image/png"}, {}, TEXT),
    ({"Accept": "TEXT/Event-Stream;q=0.9"}, {}, EVENTS),
    ({"Accept": "text/html, application/json; q=0.5, text/plain"}, {}, JSON),
    ({"Accept": "text/event-stream"}, {"stream": False}, JSON),
    ({"Accept": "text/plain"}, {"stream": True}, TEXT),
]


@pytest.mark.parametrize(("headers", "body", "media_type"), ACCEPTS)
def test_the_client_chooses_the_representation(
    headers: dict[str, str], body: dict[str, bool], media_type: str, shared: Lastword
):
    answer = requests.post(
        shared.url + "/chat", json={"text": "hi", **body}, headers=headers, timeout=TIMEOUT
    )
    assert answer.headers["Content-Type"].partition(";")[0] == media_type


@pytest.mark.parametrize("wire", [TEXT, EVENTS, JSON])
def test_the_headers_name_the_run_and_its_thread(wire: str, shared: Lastword):
    first, second = ask(shared, accept=wire), ask(shared, accept=wire)
    for answer in (first, second):
        run, thread = answer.headers["X-Run-Id"], answer.headers["X-Thread-Id"]
        assert re.fullmatch("[0-9a-f]{32}", run)
        assert re.fullmatch("[0-9a-f]{32}", thread)
        assert answer.headers["Content-Location"] == f"/runs/{run}"
    assert first.headers["X-Run-Id"] != second.headers["X-Run-Id"]
    assert first.headers["X-Thread-Id"] != second.headers["X-Thread-Id"]


# The representations


@pytest.mark.parametrize("split", [1, 2, 3, 5])
def test_plain_text_is_never_cut_inside_a_character(split: int, shared: Lastword, model: Upstream):
    text = "a ü 漢字 🤙🏽 \u2028 end"
    model.script(Reply(tokens=spoken(*text), split=split))
    answer = b""
    with requests.post(
        shared.url + "/chat", json={"text": "hi"}, stream=True, timeout=TIMEOUT
    ) as response:
        for chunk in response.iter_content(chunk_size=None):
            chunk.decode()  # raises if it is cut
            answer += chunk
    assert answer.decode() == text
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("wire", [TEXT, EVENTS])
def test_what_streams_is_neither_cached_nor_buffered(wire: str, shared: Lastword):
    headers = ask(shared, accept=wire).headers
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in headers


def test_an_empty_answer_is_one(shared: Lastword, model: Upstream):
    model.default = lambda _: Reply(tokens=[final("")])
    assert ask(shared).content == b""
    assert ask(shared, accept=JSON).json()["output"] == ""
    assert [e.name for e in parse(ask(shared, accept=EVENTS).content)] == ["start", "end"]


def test_the_document(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[final("Yes. 🤙")], usage=(7, 5)))
    answer = ask(shared, "Is it?", JSON, thread_id="document")
    assert answer.json() == {
        "input": "Is it?",
        "chat_history": [],
        "output": "Yes. 🤙",
        "thread_id": "document",
        "run_id": answer.headers["X-Run-Id"],
        "finish_reason": "stop",
        "usage": {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12},
        "sources": [],
        "cited": [],
    }


def test_an_answer_that_was_cut_off_says_so(shared: Lastword, model: Upstream):
    cut = Reply(tokens=[blob("Final Answer", "As far as it we")[:-6]], finish_reason="length")
    model.default = lambda _: cut
    document = ask(shared, accept=JSON).json()
    assert (document["output"], document["finish_reason"]) == ("As far as it we", "length")
    end = parse(ask(shared, accept=EVENTS).content)[-1]
    assert (end.name, end.data["finish_reason"]) == ("end", "length")


def test_usage_counts_every_call_of_the_run(shared: Lastword, model: Upstream):
    model.script(Reply(tokens=[blob("calculator", "1+1")], usage=(10, 1)))
    model.script(Reply(tokens=[final("2")], usage=(20, 2)))
    usage = ask(shared, accept=JSON).json()["usage"]
    assert usage == {"input_tokens": 30, "output_tokens": 3, "total_tokens": 33}


def test_the_model_and_the_temperature_reach_the_model(
    serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(models=["openai:other"])
    assert ask(lastword, model="openai:other", temperature=0.25).ok
    assert ask(lastword).ok
    chosen, default = (request.body for request in upstream.requests)
    assert (chosen["model"], chosen["temperature"]) == ("other", 0.25)
    assert default["model"] == "test"
    assert "temperature" not in default


# Threads


def test_a_conversation_is_remembered_as_far_as_the_window_goes(
    serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(memory_window=2)
    for n in range(4):
        upstream.say(final(f"answer {n}"))
        assert ask(lastword, f"question {n}", thread_id="t").text == f"answer {n}"
    said = [message["content"] for message in upstream.requests[-1].body["messages"]]
    assert "question 0" not in str(said)
    assert [text for text in said if "question" in text] == [f"question {n}" for n in (1, 2, 3)]


def test_a_conversation_survives_a_restart(serve: Callable[..., Lastword], upstream: Upstream):
    upstream.say(final("I will."))
    assert ask(serve(), "Remember 71.", thread_id="t").ok
    again = ask(serve(), "What was it?", JSON, thread_id="t").json()
    assert again["chat_history"] == [
        {"role": "user", "content": "Remember 71."},
        {"role": "assistant", "content": "I will."},
    ]


def test_thirty_users_at_once_get_their_own_words_only(shared: Lastword, model: Upstream):
    def echo(request: dict) -> Reply:
        name = request["messages"][-1]["content"]
        return Reply(tokens=spoken(*[f"<{name}>"] * 40), delay=0.001)

    model.default = echo
    answers: dict[int, str] = {}

    def user(n: int) -> None:
        wire = (TEXT, EVENTS)[n % 2]
        content = ask(shared, f"canary-{n}", wire).content
        answers[n] = content.decode() if wire == TEXT else answer_of(parse(content))

    users = [threading.Thread(target=user, args=[n]) for n in range(30)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()
    assert answers == {n: f"<canary-{n}>" * 40 for n in range(30)}
