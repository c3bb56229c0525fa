"""What the client is told of each way to fail."""

import asyncio
import sqlite3

import openai
import pytest
from langchain_core.exceptions import ModelError, ModelTimeoutError
from langgraph.errors import GraphRecursionError

from agent import models
from agent.build import build_agent
from agent.failures import as_failure
from stream.errors import CATALOGUE, IterationLimit, StorageLost
from tests.agent.models import model_on
from tests.replies import Close, Raw, Reply, Stall, Status

SECRET = "sk-secret-of-the-upstream"


def error_body(code: str | None = None) -> dict:
    return {"error": {"message": SECRET, "type": "scripted", "code": code, "param": SECRET}}


class NoHttp(Raw):
    """A server of another kind."""

    def head(self) -> bytes:
        return b""


def status(number: int, code: str | None = None) -> Raw:
    return Status(number, {}, error_body(code))


FAILURES = {
    "400": (status(400), "upstream_rejected"),
    "401": (status(401), "upstream_rejected"),
    "403": (status(403), "upstream_rejected"),
    "404": (status(404), "upstream_rejected"),
    "409": (status(409), "upstream_rejected"),
    "413": (status(413), "upstream_rejected"),
    "422": (status(422), "upstream_rejected"),
    "429": (status(429), "upstream_unavailable"),
    "429 without credit": (status(429, "insufficient_quota"), "upstream_unavailable"),
    "500": (status(500), "upstream_unavailable"),
    "502": (status(502), "upstream_unavailable"),
    "503": (status(503), "upstream_unavailable"),
    "529": (status(529), "upstream_unavailable"),
    "filtered": (status(400, "content_filter"), "content_filtered"),
    "too long": (status(400, "context_length_exceeded"), "upstream_rejected"),
    "another protocol": (NoHttp(b"SSH-2.0-OpenSSH_9.9\r\n"), "upstream_malformed"),
    "TLS": (NoHttp(b"\x15\x03\x01\0\x02\x02\x46"), "upstream_malformed"),
    "headers that are none": (
        NoHttp(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
        "upstream_malformed",
    ),
    "a finish reason that is none": (
        Reply(tokens=[b'data: {"choices": [{"delta": {}, "finish_reason": 5}]}\n\n']),
        "upstream_malformed",
    ),
    "a page": (Raw(b"<html>"), "upstream_malformed"),
    "a page with 503": (Raw(b"<html>", status=503), "upstream_unavailable"),
    "truncated": (Reply(finish_reason=None), "upstream_truncated"),
    "FIN at the start": (Close(after=-1, how="eof"), "upstream_unavailable"),
    "RST in the middle": (Close(after=2, how="reset"), "upstream_truncated"),
    "silent": (Stall(after=-1), "upstream_timeout"),
    "an error in the stream": (
        Reply(tokens=[b'data: {"error": {"message": "%b"}}\n\n' % SECRET.encode()]),
        "upstream_unavailable",
    ),
    "nonsense in the stream": (Reply(tokens=[b"data: nonsense\n\n"]), "upstream_malformed"),
    "the filter in the stream": (
        Reply(tokens=["I am"], finish_reason="content_filter"),
        "content_filtered",
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("reply", "code"), FAILURES.values(), ids=list(FAILURES))
async def test_what_an_upstream_does(upstream, monkeypatch, reply, code: str) -> None:
    monkeypatch.setattr(models, "RETRIES", 0)
    if code == "upstream_timeout":
        monkeypatch.setattr(models, "FIRST_TOKEN_TIMEOUT", 0.05)
        monkeypatch.setattr(models, "BETWEEN_TOKENS_TIMEOUT", 0.05)
    upstream.default = lambda _: reply
    async with model_on(upstream) as model:
        with pytest.raises(Exception) as caught:  # noqa: PT011  which one is not promised, only its code
            await build_agent(model).ainvoke({"messages": "Hi"})
    failure = as_failure(caught.value)
    assert failure.code == code
    assert type(failure) is CATALOGUE[code]
    assert SECRET not in failure.message


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (401, None, "refused this server's key"),
        (404, None, "does not know this model"),
        (429, None, "rate limit"),
        (400, "context_length_exceeded", "too long for the model"),
    ],
)
@pytest.mark.anyio
async def test_says_what_helps(upstream, monkeypatch, number, code, words) -> None:
    monkeypatch.setattr(models, "RETRIES", 0)
    upstream.script(status(number, code))
    async with model_on(upstream) as model:
        with pytest.raises(openai.APIStatusError) as caught:
            await model.ainvoke("Hi")
    assert words in as_failure(caught.value).message


class OfAnotherSdk(Exception):
    """Every SDK has its own, with the status of the response."""

    def __init__(self, status_code: object) -> None:
        super().__init__(SECRET)
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OfAnotherSdk(400), "upstream_rejected"),
        (OfAnotherSdk(403), "upstream_rejected"),
        (OfAnotherSdk(429), "upstream_unavailable"),
        (OfAnotherSdk(500), "upstream_unavailable"),
        (OfAnotherSdk("?"), "internal"),
        (ModelTimeoutError(SECRET), "upstream_timeout"),
        (ModelError(SECRET), "upstream_rejected"),
        (GraphRecursionError(SECRET), "iteration_limit"),
        (ValueError(SECRET), "internal"),
        (TimeoutError(SECRET), "internal"),
        (sqlite3.OperationalError(SECRET), "internal"),
        (asyncio.QueueFull(), "internal"),
        (ExceptionGroup(SECRET, [ValueError(SECRET)]), "internal"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_other_exceptions(error: Exception, code: str) -> None:
    failure = as_failure(error)
    assert failure.code == code
    assert SECRET not in failure.message


@pytest.mark.parametrize("error", [StorageLost("The memory."), IterationLimit()])
def test_ours_stay_as_they_are(error) -> None:
    assert as_failure(error) is error


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def ring() -> Exception:
    first, second = ValueError(), KeyError()
    return caused(first, caused(second, first))


def groups(depth: int) -> Exception:
    error: Exception = IterationLimit()
    for _ in range(depth):
        error = ExceptionGroup("", [ValueError(), error])
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (caused(RuntimeError(SECRET), StorageLost()), "storage_lost"),
        (caused(RuntimeError(), caused(RuntimeError(), IterationLimit())), "iteration_limit"),
        (caused(StorageLost(), IterationLimit()), "storage_lost"),
        (ExceptionGroup(SECRET, [ValueError(SECRET), StorageLost()]), "storage_lost"),
        (ExceptionGroup("", [caused(ValueError(), StorageLost())]), "storage_lost"),
        (BaseExceptionGroup("", [KeyboardInterrupt(), StorageLost()]), "storage_lost"),
        (groups(10), "iteration_limit"),
        (caused(ValueError(), OfAnotherSdk(500)), "upstream_unavailable"),
        (caused(OfAnotherSdk("?"), ValueError()), "internal"),
        (ring(), "internal"),
    ],
)
def test_what_others_wrapped(error: Exception, code: str) -> None:
    failure = as_failure(error)
    assert failure.code == code
    assert SECRET not in failure.message
