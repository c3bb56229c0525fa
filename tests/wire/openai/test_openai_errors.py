"""What goes wrong, in OpenAI's shape: statuses, frames, and what the real clients make of them."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from typing import Any

import openai
import pytest
import requests
from fastapi import APIRouter
from openai import DefaultHttpxClient
from starlette.responses import Response

from stream.errors import CATALOGUE, ServerShutdown
from stream.events import AnswerDelta, AnswerRetracted, Event, RunStarted
from stream.log import Cursor, Entry
from tests.replies import Gate, Raw, Reply, Stall, Status, Token, blob
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, TIMEOUT, Client, delete, get, only_run, spoken
from tests.wire.openai.clients import HI, MODEL, PATH, javascript, post, python, reasons, said
from tests.wire.test_faults import AFTER, BEFORE, BEGUN, ERROR, SAID, SECRET, is_reset
from wire.append_only import AppendOnly
from wire.live import LiveBody
from wire.openai import endpoint
from wire.openai.encoder import ChunkEncoder, Head

ASK = {"model": MODEL, "messages": HI}
RUN: dict[str, Any] = {"path": PATH, **ASK}
"""For `Client`."""
TYPES = {
    "rate_limit_exceeded": "rate_limit_error",
    "cancelled": "cancelled",
}


def frames(stream: bytes) -> list[Any]:
    """The data of a stream that holds nothing else."""
    *blocks, rest = stream.decode().split("\n\n")
    assert rest == ""
    data = [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]
    assert len(data) == len(blocks)
    return [each if each == "[DONE]" else json.loads(each) for each in data]


def text_of(chunks: list[Any]) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def fails_with(code: str, answer: requests.Response) -> Any:
    """As a response with the right status, whose error is returned."""
    assert answer.headers["Content-Type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    if code in CATALOGUE:
        kind = CATALOGUE[code]
        assert answer.status_code == (400 if code == "bad_request" else kind.status)
    assert SECRET not in answer.text + str(answer.headers)
    return error


def breaks_with(code: str, answer: requests.Response) -> str:
    """In the middle of a stream, whose text until then is returned."""
    assert answer.status_code == 200
    assert SECRET not in answer.text
    *chunks, failed, done = frames(answer.content)
    assert failed["error"]["code"] == code
    assert failed["error"]["type"] == TYPES.get(code, "server_error")
    assert done == "[DONE]"
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]] == (
        [None] * len(chunks)
    )
    return text_of(chunks)


# The model's server fails


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("code", "reply"), BEFORE.values(), ids=BEFORE)
def test_faults_before_the_first_token(
    code: str, reply: Reply | Raw, stream: bool, shared: Lastword, model: Upstream
):
    model.script(reply)
    answer = post(shared, stream=stream)
    assert fails_with(code, answer)["type"] == "server_error"
    assert answer.headers["X-Request-Id"] == answer.headers["X-Run-Id"]
    told = answer.headers.get("x-should-retry")
    assert told == (None if CATALOGUE[code].retryable else "false")
    assert get(shared, f"/runs/{answer.headers['X-Run-Id']}").json()["state"] == "failed"


@pytest.mark.parametrize(("code", "reply"), AFTER.values(), ids=AFTER)
class TestFaultsInTheAnswer:
    def test_in_a_stream(self, code: str, reply: Reply, shared: Lastword, model: Upstream):
        model.script(reply)
        answer = post(shared, stream=True, stream_options={"include_usage": True})
        if is_reset(reply) and answer.status_code != 200:
            fails_with(code, answer)
            return
        said = breaks_with(code, answer)
        assert said == SAID or (is_reset(reply) and SAID.startswith(said))

    def test_in_one_document(self, code: str, reply: Reply, shared: Lastword, model: Upstream):
        model.script(reply)
        fails_with(code, post(shared))

    def test_in_the_python_client(self, code: str, reply: Reply, shared: Lastword, model: Upstream):
        model.script(reply)
        with python(shared) as client, pytest.raises(openai.APIError) as failed:
            list(client.chat.completions.create(**ASK, stream=True))
        assert failed.value.code == code
        assert SECRET not in str(failed.value)

    def test_in_the_javascript_client(
        self, code: str, reply: Reply, shared: Lastword, model: Upstream
    ):
        model.script(reply)
        with javascript(shared) as client:
            error = client.call("gather", body=ASK)["error"]
        assert error["code"] == code
        assert error["type"] == "server_error"


def test_the_python_client_gets_what_was_said_before(shared: Lastword, model: Upstream):
    model.script(AFTER["end"][1])
    with python(shared) as client:
        chunks = client.chat.completions.create(**ASK, stream=True)
        seen = list(until_failure(chunks))
    assert said(seen) == SAID
    assert reasons(seen) == []


def until_failure(chunks: Iterable[Any]) -> Iterator[Any]:
    with pytest.raises(openai.APIError):
        yield from chunks


def test_a_failure_after_tools_is_in_the_stream(serve: Callable[..., Lastword], upstream: Upstream):
    """Something has happened: to ask again by itself is not for the client."""
    upstream.default = lambda _: Reply(tokens=[blob("calculator", "1+1")])
    lastword = serve(max_iterations=2)
    assert breaks_with("iteration_limit", post(lastword, stream=True)) == ""


# Trying again


def test_the_client_tries_again_where_that_may_help(shared: Lastword, model: Upstream):
    model.script(Status(503, body=ERROR))
    with python(shared, max_retries=1) as client:
        stream = client.chat.completions.create(**ASK, stream=True)
        assert said(stream) == "Hello there."
    assert len(model.requests) == 2


def test_the_client_does_not_try_again_for_nothing(shared: Lastword, model: Upstream):
    model.script(Status(401, body=ERROR))
    with python(shared, max_retries=2) as client, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**ASK)
    model.script(Status(401, body=ERROR))
    with javascript(shared, retries=2) as node:
        assert node.call("create", body=ASK)["error"]["status"] == 502
    assert len(model.requests) == 2


def test_the_client_waits_for_its_turn(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(max_runs=1)
    stall = upstream.script(Stall())
    with Client(lastword, EVENTS, on_disconnect="continue") as other:
        upstream.wait_for(lambda: upstream.open == 1)
        refused = post(lastword)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert fails_with("rate_limit_exceeded", refused)["type"] == "rate_limit_error"
        with python(lastword) as client, pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**ASK)
        refusals: list[int] = []

        def let_go(response: Any) -> None:
            if response.status_code == 429:
                refusals.append(429)
                stall.gate.release()
                other.read_until(b"event: end")

        hooks = DefaultHttpxClient(event_hooks={"response": [let_go]})
        with python(lastword, max_retries=2, http_client=hooks) as client:
            answer = client.chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Hello there."
    assert refusals == [429]


# Who asks, and where

ANNE = "sk-anne-4711"


def test_keys(serve: Callable[..., Lastword]):
    lastword = serve(api_keys=ANNE)
    for key in ("", "sk-anne-4712"):
        refused = post(lastword, key=key)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        fails_with("invalid_api_key", refused)
    for path in ("/v1/models", f"/v1/models/{MODEL}"):
        assert fails_with("invalid_api_key", get(lastword, path))
    assert requests.post(lastword.url + "/v1/embeddings", timeout=TIMEOUT).status_code == 401
    with python(lastword, "sk-bob") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
    with python(lastword, ANNE) as client:
        assert client.chat.completions.create(**ASK).choices[0].message.content == "Hello there."
    with javascript(lastword, "sk-bob") as node:
        assert node.call("create", body=ASK)["error"]["status"] == 401
    with javascript(lastword, ANNE) as node:
        assert node.call("models") == {"names": [MODEL]}


def test_pages_elsewhere(shared: Lastword):
    headers = {"Origin": "https://elsewhere.example"}
    fails_with("forbidden", get(shared, "/v1/models", headers=headers))


def test_chosen_pages_may_use_the_javascript_client(serve: Callable[..., Lastword]):
    """It says in headers of its own what it runs on."""
    page = "https://page.example"
    asked = {
        "Origin": page,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
    }
    lastword = serve(cors_origins=page)
    preflight = requests.options(lastword.url + PATH, headers=asked, timeout=TIMEOUT)
    assert preflight.status_code == 200
    assert "x-stainless-os" in preflight.headers["Access-Control-Allow-Headers"]


def test_what_there_is_not(shared: Lastword):
    fails_with("not_found", get(shared, "/v1/responses"))
    fails_with("model_not_found", get(shared, "/v1/models/a/b"))
    method = get(shared, PATH)
    assert (method.status_code, method.headers["Allow"]) == (405, "POST")
    assert method.json()["error"]["type"] == "invalid_request_error"
    assert get(shared, "/v1x").headers["Content-Type"] == "application/problem+json"


def test_bodies_that_are_none(shared: Lastword):
    url, headers = shared.url + PATH, {"Content-Type": "application/json"}
    for content in (b"", b"{", b"[]", b"\xff", b"[" * 100_000):
        refused = requests.post(url, data=content, headers=headers, timeout=TIMEOUT)
        fails_with("bad_request", refused)
    large = requests.post(url, data=b"x" * 300_000, headers=headers, timeout=TIMEOUT)
    fails_with("too_large", large)


def test_embeddings_are_not_served_without_a_model(shared: Lastword):
    with python(shared, max_retries=2) as client, pytest.raises(openai.InternalServerError) as no:
        client.embeddings.create(model="m", input="hi")
    assert (no.value.status_code, no.value.code) == (501, "not_implemented")
    assert "no embedding model" in str(no.value)
    with javascript(shared) as node:
        assert node.call("embed")["error"]["status"] == 501


def test_a_bug(lastword: Lastword, caplog: pytest.LogCaptureFixture):
    broken = APIRouter()

    @broken.get("/v1/broken")
    async def fail() -> None:
        raise ZeroDivisionError

    lastword.app.include_router(broken)
    fails_with("internal", get(lastword, "/v1/broken"))


# Runs that do not come to their end


@pytest.mark.parametrize("after", [0, 2], ids=["before the first token", "in the answer"])
def test_cancelled(after: int, lastword: Lastword, upstream: Upstream):
    upstream.script(Stall(tokens=BEGUN, after=after))
    with Client(lastword, **RUN, stream=True) as client:
        upstream.wait_for(lambda: upstream.open == 1)
        if after:
            client.read_until(b'"As far "')
        assert delete(lastword, f"/runs/{only_run(lastword)}").ok
        received = client.read_until(b"0\r\n\r\n" if after else b"}}")
    if not after:
        assert received.startswith(b"HTTP/1.1 409")
        assert b"x-should-retry: false" in received
        assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "cancelled"
        return
    *chunks, failed, done = frames(client.body)
    assert text_of(chunks) == "As far "
    assert failed["error"] == {
        "message": "The run was cancelled.",
        "type": "cancelled",
        "param": None,
        "code": "cancelled",
    }
    assert done == "[DONE]"


def test_a_cancelled_document(lastword: Lastword, upstream: Upstream):
    """A partial answer has no finish reason that would be true."""
    upstream.script(Stall(tokens=BEGUN, after=2))
    with Client(lastword, **RUN) as client:
        upstream.wait_for(lambda: upstream.open == 1)
        assert delete(lastword, f"/runs/{only_run(lastword)}").ok
        assert client.read_until(b"}}").startswith(b"HTTP/1.1 409")


def test_a_busy_thread(lastword: Lastword, upstream: Upstream):
    thread = {"metadata": {"thread_id": "t"}}
    upstream.script(Stall())
    with Client(lastword, **RUN, stream=True, **thread) as client:
        upstream.wait_for(lambda: upstream.open == 1)
        fails_with("conflict", post(lastword, **thread))
        client.leave("fin")


def test_the_server_goes_down(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(drain=0)
    upstream.script(Stall(tokens=BEGUN, after=2))
    with Client(lastword, **RUN, stream=True) as client:
        client.read_until(b'"As far "')
        (execution,) = lastword.runner._threads.values()
        loop = execution._answering.get_loop()
        loop.call_soon_threadsafe(lastword.runner.shut_down)
        client.read_until(b"0\r\n\r\n")
    *_, failed, done = frames(client.body)
    assert (failed["error"]["code"], done) == ("server_shutdown", "[DONE]")
    assert fails_with("server_shutdown", post(lastword))["type"] == "server_error"


STARTED, SAID_AS = RunStarted("1", "t"), AnswerDelta("As")
BEGUN_ANEW = AnswerRetracted(certain=True)
BROKEN_OFF: dict[str, tuple[list[list[Event]], str, str]] = {
    "in the answer": ([[STARTED], [SAID_AS]], "As", "server_shutdown"),
    "begun anew": ([[STARTED], [SAID_AS], [BEGUN_ANEW]], "As", "producer_lost"),
    "begun anew at once": ([[STARTED], [SAID_AS, BEGUN_ANEW]], "", "producer_lost"),
}


def streamed(batches: list[list[Event]]) -> Awaitable[Response]:
    """What becomes of a run that lives on elsewhere: the log here ends without an end."""

    async def follow() -> AsyncGenerator[list[Entry], None]:
        for batch in batches:
            yield [Entry(Cursor("1"), event) for event in batch]
        raise ServerShutdown

    encoder = ChunkEncoder(Head("chatcmpl-1", 7, "m"), AppendOnly())
    return endpoint._streamed(follow(), encoder, {})


@pytest.mark.anyio
@pytest.mark.parametrize(("batches", "text", "code"), BROKEN_OFF.values(), ids=BROKEN_OFF)
async def test_a_stream_breaks_off(batches: list[list[Event]], text: str, code: str):
    response = await streamed(batches)
    assert isinstance(response, LiveBody)
    *chunks, failed, done = frames(b"".join([piece async for piece in response._body]))
    assert text_of(chunks) == text
    assert (failed["error"]["code"], done) == (code, "[DONE]")


@pytest.mark.anyio
async def test_a_stream_that_does_not_even_begin():
    with pytest.raises(ServerShutdown):
        await streamed([[STARTED]])


# Waiting, and what is not certain


def test_a_long_silence(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(heartbeat=0.05)
    stall = upstream.script(Stall(tokens=spoken("Here ", "still"), after=0))
    with Client(lastword, **RUN, stream=True) as client:
        client.read_until(b": heartbeat\n")  # the response has begun, with nothing to say yet
        stall.gate.release()
        client.read_until(b"[DONE]")
    upstream.script(Stall(tokens=spoken("Here ", "still"), after=2))
    with python(lastword) as patient:
        stream = patient.chat.completions.create(**ASK, stream=True)
        assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "Here "]
        run = only_run(lastword)
        with Client(lastword, EVENTS, method="GET", path=f"/runs/{run}/events") as other:
            while other.received.count(b": heartbeat\n") < 3:
                assert other.read()
        upstream.release()
        assert said(stream) == "still"


CALCULATE = {"name": "calculator", "arguments": json.dumps({"expression": "6*7"})}
CALL: Token = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": CALCULATE}]}
MODES = [("exact", True, "It is 42."), ("eager", True, "Let me see.\n\nIt is 42.")]
MODES += [("exact", False, "It is 42."), ("eager", False, "It is 42.")]


@pytest.mark.parametrize(("mode", "stream", "text"), MODES)
def test_uncertain_text(
    mode: str, stream: bool, text: str, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(protocol="message", answer_mode=mode)
    upstream.script(Reply(tokens=["Let me see.", CALL], finish_reason="tool_calls"))
    upstream.script(Reply(tokens=["It is ", "42."]))
    answer = post(lastword, stream=stream)
    if stream:
        *chunks, done = frames(answer.content)
        assert (text_of(chunks), done) == (text, "[DONE]")
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
        assert "tool_calls" not in answer.text
    else:
        assert answer.json()["choices"][0]["message"]["content"] == text


def test_uncertain_text_is_held(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve(protocol="message")
    gate = Gate(2)
    upstream.script(Reply(tokens=["It is ", "42."], gate=gate))
    with Client(lastword, **RUN, stream=True) as client:
        client.read_until(b'"role":"assistant"')
        run = only_run(lastword)
        with Client(lastword, EVENTS, method="GET", path=f"/runs/{run}/events") as other:
            other.read_until(b'42.","certain":false')
        assert b"It is" not in client.received
        gate.release()
        client.read_until(b"[DONE]")
    assert text_of(frames(client.body)[:-1]) == "It is 42."


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["fin", "rst", "half"])
def test_who_leaves_closes_the_upstream(
    how: Any, stream: bool, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(on_disconnect="cancel")
    for after in (0, 2):
        upstream.script(Stall(tokens=BEGUN, after=after))
        with Client(lastword, **RUN, stream=stream) as client:
            upstream.wait_for(lambda: upstream.open == 1)
            if after and stream:
                client.read_until(b'"As far "')
            client.leave(how)
            upstream.wait_for(lambda: upstream.open == 0)
            lastword.wait_until_idle()
    assert upstream.cancelled == 2
    wait_for(lambda: not lastword.runner._audiences)
