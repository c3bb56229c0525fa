"""The model's server fails: the right code, one end, nothing of its words, nothing left running."""

import contextlib
import socket
import uuid
from collections.abc import Callable, Iterator

import pytest
import requests

from agent import fast_stream, models
from stream.errors import CATALOGUE
from tests.replies import Close, Raw, Reply, Stall, Status, Token, blob
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import (
    CLOSING,
    EVENTS,
    JSON,
    OPENING,
    TEXT,
    TIMEOUT,
    WIRES,
    answer_of,
    ask,
    ends_of,
    get,
    parse,
    spoken,
)

SECRET = "sk-canary-4711"
"""Stands in everything that the model's server says of itself."""
ERROR = {"error": {"message": f"wrong key {SECRET}", "type": SECRET, "code": SECRET}}
BEGUN = spoken("As far ", "as it ", "went")
"""An answer; the first three tokens are not all of it."""
SAID = "As far as it "
"""What those three say."""


def frame(data: str) -> bytes:
    return b"data: " + data.encode() + b"\n\n"


def then(*tokens: Token) -> Reply:
    """An answer that begins well."""
    return Reply(tokens=[*BEGUN[:3], *tokens])


BEFORE: dict[str, tuple[str, Reply | Raw]] = {
    "400": ("upstream_rejected", Status(400, body=ERROR)),
    "401": ("upstream_rejected", Status(401, body=ERROR)),
    "403": ("upstream_rejected", Status(403, body=ERROR)),
    "404": ("upstream_rejected", Status(404, body=ERROR)),
    "429": ("upstream_unavailable", Status(429, {"Retry-After": "0"}, ERROR)),
    "500": ("upstream_unavailable", Status(500, body=ERROR)),
    "503": ("upstream_unavailable", Status(503, body=ERROR)),
    "418 in HTML": ("upstream_rejected", Raw(f"<h1>{SECRET}</h1>".encode(), status=418)),
    "HTML": ("upstream_malformed", Raw(f"<h1>{SECRET}</h1>".encode())),
    "HTML of one line": ("upstream_malformed", Raw(f"data: {SECRET}\n".encode())),
    "nothing": ("upstream_truncated", Raw(b"", "text/event-stream")),
    "comments only": ("upstream_truncated", Raw(b": ping\n\n" * 9, "text/event-stream")),
    "FIN before the head": ("upstream_unavailable", Close(after=-1, how="eof")),
    "RST before the head": ("upstream_unavailable", Close(after=-1, how="reset")),
    "end before the answer": ("upstream_truncated", Close(after=0, how="end")),
    "FIN before the answer": ("upstream_truncated", Close(after=0, how="eof")),
    "RST before the answer": ("upstream_truncated", Close(after=0, how="reset")),
    "an error frame": ("upstream_unavailable", Reply(tokens=[frame(f'{{"error":"{SECRET}"}}')])),
    "a frame that is no JSON": ("upstream_malformed", Reply(tokens=[frame("{" + SECRET)])),
    "a frame that is no object": ("upstream_malformed", Reply(tokens=[frame(f'["{SECRET}"]')])),
    "no choices in it": ("upstream_malformed", Reply(tokens=[frame('{"choices":{}}')])),
    "content that is no text": (
        "upstream_malformed",
        Reply(tokens=[{"content": 4711}]),
    ),
    "content that is an object": ("upstream_malformed", Reply(tokens=[{"content": {"a": SECRET}}])),
    "calls that are none": ("upstream_malformed", Reply(tokens=[{"tool_calls": 7}])),
    "calls that are no objects": ("upstream_malformed", Reply(tokens=[{"tool_calls": [SECRET]}])),
    "usage that is none": (
        "upstream_malformed",
        Reply(tokens=[frame(f'{{"choices":[],"usage":"{SECRET}"}}')]),
    ),
    "no delta in it": ("upstream_malformed", Reply(tokens=[frame('{"choices":[{}]}')])),
}
AFTER: dict[str, tuple[str, Reply]] = {
    "end": ("upstream_truncated", Close(tokens=BEGUN, after=3, how="end")),
    "FIN": ("upstream_truncated", Close(tokens=BEGUN, after=3, how="eof")),
    "RST": ("upstream_truncated", Close(tokens=BEGUN, after=3, how="reset")),
    "DONE and no reason": ("upstream_truncated", Reply(tokens=BEGUN[:3], finish_reason=None)),
    "an error frame": (
        "upstream_unavailable",
        then(frame(f'{{"error":{{"message":"{SECRET}"}}}}')),
    ),
    "a frame that is no JSON": ("upstream_malformed", then(frame(SECRET))),
    "half a frame": ("upstream_malformed", then(b'data: {"choices": [' + SECRET.encode() + b"\n")),
}


@contextlib.contextmanager
def leaves_nothing(lastword: Lastword) -> Iterator[None]:
    """Whatever happened, it is over and the next request is served."""
    yield
    lastword.wait_until_idle()
    assert ask(lastword, "again").text == "Hello there."


def fails_with(code: str, answer: requests.Response) -> None:
    """As a problem, or, on the wire for events, as the one and last end."""
    assert SECRET not in answer.text + str(answer.headers)
    if answer.headers["Content-Type"].startswith(EVENTS):
        events = parse(answer.content)
        (failed,) = ends_of(events)
        assert failed is events[-1]
        assert failed.name == "failed"
        assert answer.status_code == 200
    else:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.status_code == CATALOGUE[code].status == answer.json()["status"]
    problem = failed.data if answer.status_code == 200 else answer.json()
    assert (problem["code"], problem["retryable"]) == (code, CATALOGUE[code].retryable)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("code", "reply"), BEFORE.values(), ids=BEFORE)
def test_faults_before_the_first_token(
    code: str, reply: Reply | Raw, wire: str, shared: Lastword, model: Upstream
):
    with leaves_nothing(shared):
        model.script(reply)
        fails_with(code, ask(shared, accept=wire))
        assert len(model.requests) == 1


@pytest.mark.parametrize(("code", "reply"), AFTER.values(), ids=AFTER)
class TestFaultsInTheAnswer:
    def test_on_plain_text(self, code: str, reply: Reply, shared: Lastword, model: Upstream):
        """It has no words for a failure. It must not look complete."""
        with leaves_nothing(shared):
            model.script(reply)
            with requests.post(
                shared.url + "/chat", json={"text": "hi"}, stream=True, timeout=TIMEOUT
            ) as answer:
                if is_reset(reply) and answer.status_code != 200:
                    fails_with(code, answer)
                    return
                received, was_cut_off = read(answer)
            assert was_cut_off
            assert received == SAID or (is_reset(reply) and SAID.startswith(received))
            kept = get(shared, answer.headers["Content-Location"]).json()
            assert (kept["state"], kept["answer"]) == ("failed", received)

    def test_on_events(self, code: str, reply: Reply, shared: Lastword, model: Upstream):
        with leaves_nothing(shared):
            model.script(reply)
            answer = ask(shared, accept=EVENTS)
            fails_with(code, answer)
            received = answer_of(parse(answer.content))
            assert received == SAID or (is_reset(reply) and SAID.startswith(received))

    def test_as_a_document(self, code: str, reply: Reply, shared: Lastword, model: Upstream):
        with leaves_nothing(shared):
            model.script(reply)
            fails_with(code, ask(shared, accept=JSON))

    def test_is_not_remembered(self, code: str, reply: Reply, shared: Lastword, model: Upstream):
        thread = f"failed-{uuid.uuid4()}"
        model.script(reply)
        fails_with(code, ask(shared, accept=EVENTS, thread_id=thread))
        assert get(shared, f"/threads/{thread}").status_code == 404


def is_reset(reply: Reply) -> bool:
    """An RST may overtake what was sent before it."""
    return isinstance(reply, Close) and reply.how == "reset"


def read(answer: requests.Response) -> tuple[str, bool]:
    """What arrived, and whether the client's library found that it is not all."""
    received = b""
    try:
        for piece in answer.iter_content(chunk_size=None):
            received += piece
    except requests.exceptions.ChunkedEncodingError:
        return received.decode(), True
    return received.decode(), False


# Silence


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("after", [0, 2, 5], ids=["the first token", "a token", "the end"])
def test_silence_before(
    after: int, wire: str, shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    with leaves_nothing(shared), monkeypatch.context() as patch:
        patch.setattr(fast_stream, "FIRST_TOKEN_TIMEOUT", 0.1)
        patch.setattr(fast_stream, "BETWEEN_TOKENS_TIMEOUT", 0.1)
        model.script(Stall(tokens=BEGUN, after=after))
        if wire == TEXT and after:
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                ask(shared, accept=wire)
        else:
            fails_with("upstream_timeout", ask(shared, accept=wire))
        model.wait_for(lambda: model.cancelled == 1)


@pytest.mark.parametrize("wire", WIRES)
def test_silence_before_the_head(
    wire: str,
    serve: Callable[..., Lastword],
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
):
    with monkeypatch.context() as patch:
        patch.setattr(models, "RETRIES", 0)
        patch.setattr(models, "FIRST_TOKEN_TIMEOUT", 0.5)
        patch.setattr(models, "BETWEEN_TOKENS_TIMEOUT", 0.5)
        lastword = serve()
    with leaves_nothing(lastword):
        upstream.script(Stall(after=-1))
        fails_with("upstream_timeout", ask(lastword, accept=wire))
        upstream.wait_for(lambda: upstream.cancelled == 1)


@pytest.mark.parametrize("wire", WIRES)
def test_the_run_may_not_take_for_ever(
    wire: str, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(run_timeout=0.5)
    upstream.script(Stall(tokens=BEGUN, after=0))
    fails_with("run_timeout", ask(lastword, accept=wire))
    upstream.wait_for(lambda: upstream.cancelled == 1)
    lastword.wait_until_idle()


# Nobody there, and trying again


@pytest.mark.parametrize("wire", WIRES)
def test_nobody_is_there(
    wire: str, serve: Callable[..., Lastword], monkeypatch: pytest.MonkeyPatch
):
    with socket.socket() as unused, monkeypatch.context() as patch:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        patch.setattr(models, "RETRIES", 0)
        lastword = serve(openai_base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        fails_with("upstream_unavailable", ask(lastword, accept=wire))
        lastword.wait_until_idle()


def test_too_many_requests_are_tried_again_when_told(lastword: Lastword, upstream: Upstream):
    upstream.script(Status(429, {"Retry-After": "1"}, ERROR))
    upstream.script(Status(500, {"Retry-After-Ms": "10"}, ERROR))
    assert ask(lastword).text == "Hello there."
    first, second, _ = upstream.requests
    assert second.arrived - first.arrived > 0.95


def test_it_is_not_tried_for_ever(lastword: Lastword, upstream: Upstream):
    for _ in range(3):
        upstream.script(Status(429, {"Retry-After-Ms": "10"}, ERROR))
    fails_with("upstream_unavailable", ask(lastword))
    assert len(upstream.requests) == 3


def test_nothing_is_tried_again_once_it_has_begun(lastword: Lastword, upstream: Upstream):
    upstream.script(Close(tokens=BEGUN, after=3, how="reset"))
    fails_with("upstream_truncated", ask(lastword, accept=JSON))
    assert len(upstream.requests) == 1


# What models do


@pytest.mark.parametrize("wire", WIRES)
def test_a_model_that_will_not_keep_to_the_format(wire: str, shared: Lastword, model: Upstream):
    with leaves_nothing(shared):
        for attempt in "123":
            model.say(f"Plainly, {attempt}.")
        answer = ask(shared, accept=wire)
        assert "Plainly, 3." in answer.text
        assert "Plainly, 1." not in answer.text
        assert len(model.requests) == 3


@pytest.mark.parametrize("wire", WIRES)
def test_the_debris_of_a_format_is_no_answer(wire: str, shared: Lastword, model: Upstream):
    with leaves_nothing(shared):
        for _ in range(3):
            model.say('```json\n{"action": "Final')
        fails_with("unreadable_reply", ask(shared, accept=wire))


@pytest.mark.parametrize("wire", WIRES)
def test_a_model_that_says_nothing(wire: str, shared: Lastword, model: Upstream):
    with leaves_nothing(shared):
        for _ in range(3):
            model.script(Reply(tokens=[]))
        fails_with("unreadable_reply", ask(shared, accept=wire))


@pytest.mark.parametrize("wire", WIRES)
def test_a_model_that_only_calls_tools(
    wire: str, serve: Callable[..., Lastword], upstream: Upstream
):
    lastword = serve(max_iterations=2)
    upstream.default = lambda _: Reply(tokens=[blob("calculator", "1+1")])
    answer = ask(lastword, accept=wire)
    fails_with("iteration_limit", answer)
    if wire == EVENTS:
        names = [event.name for event in parse(answer.content)]
        assert names == ["start", *["tool"] * 4, "failed"]


@pytest.mark.parametrize("wire", WIRES)
def test_what_the_provider_refuses(wire: str, shared: Lastword, model: Upstream):
    with leaves_nothing(shared):
        model.script(Reply(tokens=[], finish_reason="content_filter"))
        fails_with("content_filtered", ask(shared, accept=wire))


@pytest.mark.parametrize("wire", WIRES)
def test_a_token_of_a_megabyte(wire: str, shared: Lastword, model: Upstream):
    text = "0123456789abcdef" * 65536
    with leaves_nothing(shared):
        model.script(Reply(tokens=[OPENING, text, CLOSING]))
        content = ask(shared, accept=wire).content
    if wire == EVENTS:
        assert answer_of(parse(content)) == text
    else:
        assert text.encode() in content


@pytest.mark.parametrize("wire", WIRES)
def test_a_line_without_end(
    wire: str, shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fast_stream, "MAX_FRAME", 2**16)
    with leaves_nothing(shared):
        model.script(Reply(tokens=[b"data: " + b"x" * 2**18]))
        fails_with("upstream_malformed", ask(shared, accept=wire))
