"""Bad input: a clear status, a short body, nothing left running, and the next one is served."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import TIMEOUT, Client, Shared, ask, get
from wire.asked import MAX_FIELDS

MAX_ANSWER = 16 * 1024
CANARY = "canary-4711"


def body(**fields: Any) -> bytes:
    return json.dumps({"text": "hi", **fields}).encode()


def post(
    lastword: Lastword, content: Any, content_type: str = "application/json"
) -> requests.Response:
    return requests.post(
        lastword.url + "/chat",
        data=content,
        headers={"Content-Type": content_type},
        timeout=TIMEOUT,
    )


def refused(answer: requests.Response, status: int = 422, code: str = "bad_request") -> Any:
    """The problem, which is short and repeats nothing of the request."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(answer.content) <= MAX_ANSWER
    assert CANARY not in answer.text
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    return problem


@pytest.fixture(autouse=True)
def _harmless(house: Shared) -> Iterator[None]:
    """Nothing of what is refused reaches the model, and the next request is answered."""
    house.upstream.requests.clear()
    yield
    house.lastword.wait_until_idle()
    house.upstream.requests.clear()
    assert ask(house.lastword).text == "Hello there."
    assert len(house.upstream.requests) == 1


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"text=" + CANARY.encode(),
    "half of it": b'{"text": "' + CANARY.encode(),
    "invalid UTF-8": b'{"text": "\xff\xfe"}',
    "UTF-16 without a mark": '{"text": "hi"}'.encode("utf-16-le") + b"\xd8",
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 40_000,
    "deep in a field": b'{"text":"hi","include":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "5,000 digits": b'{"text":"hi","temperature":' + b"1" * 5000 + b"}",
    "null": b"null",
    "an array": b'["text"]',
    "a string": b'"text"',
    "a number": b"1e999",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_body_that_is_no_request(content: bytes, shared: Lastword, model: Upstream):
    refused(post(shared, content))
    assert model.requests == []


INVALID = {
    "empty text": ("text", body(text="")),
    "spaces": ("text", body(text=" \n\u2003\t")),
    "no text": ("text", b"{}"),
    "null text": ("text", body(text=None)),
    "a number for text": ("text", body(text=4711)),
    "a list for text": ("text", body(text=[CANARY])),
    "an object for text": ("text", body(text={"text": CANARY})),
    "NUL": ("text", body(text=f"{CANARY}\0")),
    "a lone surrogate": ("text", b'{"text": "a \\ud800 b"}'),
    "half a pair, swapped": ("text", b'{"text": "\\ude00\\ud83d"}'),
    "text too long": ("text", body(text=CANARY * 3000)),
    "an unknown field": ("txet", body(txet=CANARY)),
    "a surrogate for a field": ("body", b'{"text": "hi", "\\ud800": 1}'),
    "a long name of a field": ("x" * 100, body(**{"x" * 10_000: 1})),
    "an empty thread_id": ("thread_id", body(thread_id="")),
    "a path for thread_id": ("thread_id", body(thread_id="../other")),
    "a long thread_id": ("thread_id", body(thread_id="x" * 129)),
    "a line end in thread_id": ("thread_id", body(thread_id="t\n")),
    "not ASCII in thread_id": ("thread_id", body(thread_id="ü")),
    "a number for thread_id": ("thread_id", body(thread_id=1)),
    "too cold": ("temperature", body(temperature=-0.1)),
    "too hot": ("temperature", body(temperature=2.1)),
    "words for temperature": ("temperature", body(temperature=CANARY)),
    "not a number": ("temperature", b'{"text": "hi", "temperature": NaN}'),
    "infinity": ("temperature", b'{"text": "hi", "temperature": Infinity}'),
    "too large for a double": ("temperature", b'{"text": "hi", "temperature": 1e999}'),
    "400 digits": ("temperature", b'{"text": "hi", "temperature": ' + b"9" * 400 + b"}"),
    "a long model": ("model", body(model="m" * 201)),
    "a number for model": ("model", body(model=1)),
    "an unknown extra": ("include", body(include=["tools", CANARY])),
    "too many extras": ("include", body(include=["tools"] * 4)),
    "no list of extras": ("include", body(include="tools")),
    "words for stream": ("stream", body(stream="perhaps")),
    "a policy that is none": ("on_disconnect", body(on_disconnect=CANARY)),
    "negative patience": ("on_disconnect", body(on_disconnect=-1)),
    "endless patience": ("on_disconnect", b'{"text": "hi", "on_disconnect": Infinity}'),
    "patience that is no number": ("on_disconnect", b'{"text": "hi", "on_disconnect": NaN}'),
    "a conflict that is none": ("on_conflict", body(on_conflict=CANARY)),
}


@pytest.mark.parametrize(("field", "content"), INVALID.values(), ids=INVALID)
def test_a_field_that_is_wrong_is_named(
    field: str, content: bytes, shared: Lastword, model: Upstream
):
    problem = refused(post(shared, content))
    assert problem["errors"][0]["field"].startswith(field)
    assert problem["detail"].startswith(field)
    assert model.requests == []


def test_an_unknown_model(shared: Lastword, model: Upstream):
    assert refused(post(shared, body(model=CANARY)))["detail"].startswith("model: ")
    assert model.requests == []


QUERIES = {
    "nothing": {},
    "no text": {"thread_id": "t"},
    "empty text": {"text": ""},
    "spaces": {"text": "  "},
    "NUL": {"text": "\0"},
    "text too long": {"text": "x" * 32_001},
    "thread_id": {"text": "hi", "thread_id": "a/b"},
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_bad_query(query: dict[str, str], shared: Lastword, model: Upstream):
    refused(get(shared, "/chat", params=query))
    assert model.requests == []


def test_a_bad_body_of_a_get_is_not_forgiven(shared: Lastword, model: Upstream):
    refused(get(shared, "/chat?text=hi", json={"text": ""}))
    refused(get(shared, "/chat", data=b"{", headers={"Content-Type": "application/json"}))
    assert model.requests == []


@pytest.mark.parametrize(
    "content", [body(text="x" * 2_000_000), iter([b'{"text": "', b"x" * 2_000_000, b'"}'])]
)
def test_two_megabytes(content: Any, shared: Lastword, model: Upstream):
    """With their length said before, and in chunks."""
    refused(post(shared, content), 413, "too_large")
    assert model.requests == []


def test_of_many_mistakes_five_are_named(shared: Lastword, model: Upstream):
    content = body(**{f"field-{n}": CANARY for n in range(MAX_FIELDS - 1)})
    assert len(refused(post(shared, content))["errors"]) == 5
    assert model.requests == []


def test_more_fields_than_anybody_means(shared: Lastword, model: Upstream):
    """They are counted, and none of them is looked at."""
    fields = {f"{n:x}": 0 for n in range(26_000)}
    content = json.dumps({"text": 1, **fields}, separators=(",", ":"))
    assert 200 * 1024 < len(content) < 256 * 1024
    problem = refused(post(shared, content))
    assert problem["errors"] == [{"field": "body", "message": f"more than {MAX_FIELDS} fields"}]
    problem = refused(get(shared, "/chat?" + "&".join(f"{n}=" for n in range(9000))))
    assert problem["errors"] == [{"field": "query", "message": f"more than {MAX_FIELDS} fields"}]
    assert model.requests == []


def test_a_form_is_not_json(shared: Lastword, model: Upstream):
    refused(post(shared, {"text": "hi"}, "application/x-www-form-urlencoded"))
    assert model.requests == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD"])
def test_methods_that_are_none(method: str, shared: Lastword):
    answer = requests.request(method, shared.url + "/chat", json={"text": "hi"}, timeout=TIMEOUT)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_every_address_says_what_it_allows(shared: Lastword):
    allowed = {
        "/": "GET, HEAD",
        "/docs": "GET, HEAD",
        "/runs/1": "DELETE, GET",
        "/runs/1/events": "GET",
    }
    for path, methods in allowed.items():
        answer = requests.put(shared.url + path, timeout=TIMEOUT)
        assert (answer.status_code, answer.headers["Allow"]) == (405, methods)


PATHS = ["/nothing", "/runs", "/runs/%00", "/runs/%FF", "/runs/a%2Fb", "/threads/%00"]


@pytest.mark.parametrize("path", [*PATHS, "/threads/%ED%A0%80", "/web/../main.py", "/web/.."])
def test_what_is_not_there(path: str, shared: Lastword):
    with Client(shared, method="GET", path=path, headers="Connection: close\r\n") as client:
        assert client.read_to_end().startswith(b"HTTP/1.1 404 ")
    assert b'"code":"not_found"' in client.received


@pytest.mark.parametrize("path", ["/runs/", "/threads/"])
def test_an_id_that_is_too_long(path: str, shared: Lastword):
    refused(get(shared, path + "x" * 129))


# Anything

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_LIKELY = st.fixed_dictionaries(
    {"text": st.text(min_size=1) | _JSON},
    optional={
        "thread_id": st.from_regex(r"[A-Za-z0-9._-]{1,8}", fullmatch=True) | _JSON,
        "model": st.just("openai:test") | _JSON,
        "temperature": st.floats(0, 2) | _JSON,
        "stream": st.booleans() | _JSON,
        "include": st.lists(st.sampled_from(["tools", "sources", "thoughts"])) | _JSON,
        "on_disconnect": st.sampled_from(["continue", "cancel", 5]) | _JSON,
        "on_conflict": st.sampled_from(["reject", "interrupt"]) | _JSON,
        "?": _JSON,
    },
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=_JSON | _LIKELY | st.binary())
def test_no_body_is_our_fault(content: Any, house: Shared):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with requests.Session() as session:
        answer = session.post(
            house.lastword.url + "/chat",
            data=raw,
            headers={"Content-Type": "application/json"},
            timeout=TIMEOUT,
        )
    if answer.status_code == 200:
        assert "Hello there." in answer.text
    else:
        assert 400 <= answer.status_code < 500
        assert len(answer.content) <= MAX_ANSWER
        assert answer.json()["code"] in {"bad_request", "conflict"}


def test_a_question_in_the_address_and_in_the_body(lastword) -> None:
    response = requests.get(f"{lastword.url}/chat?text=one", json={"text": "two"}, timeout=20)
    assert response.status_code == 422
    assert "stands in the address and in the body" in response.json()["detail"]


def test_an_unknown_parameter_is_named(lastword) -> None:
    response = requests.get(f"{lastword.url}/chat?text=one&strem=false", timeout=20)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "strem"


def test_a_field_that_only_the_runner_can_judge_is_named(shared: Lastword):
    answer = requests.post(
        f"{shared.url}/chat", json={"text": "hi", "model": "nope"}, timeout=TIMEOUT
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "model", "message": "model: is not a model of this server"}
    ]
