"""The page and its files, the documentation, and whether the server is well."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from agent.runner import Runner
from stream.errors import ServerShutdown
from tests.replies import Stall
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, TIMEOUT, Client, ask, get
from wire.page import FILES
from wire.problems import Problem

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
}


@pytest.mark.parametrize("path", ["/", *(f"/web/{name}" for name in sorted(FILES))])
def test_the_pages_files(path: str, shared: Lastword):
    plain = get(shared, path, headers={"Accept-Encoding": "identity"})
    small = get(shared, path)
    kind = TYPES[path.rpartition(".")[2] if "." in path else "html"]
    for answer in (plain, small):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        if kind == "html":
            assert set(answer.headers["Content-Security-Policy"].split("; ")) == POLICY
            assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Vary"] == "Accept-Encoding"
    assert plain.content == small.content != b""
    assert small.headers["Content-Encoding"] == "gzip"
    assert int(small.headers["Content-Length"]) < len(plain.content)
    tag = small.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"another", {tag}'):
        kept = get(shared, path, headers={"If-None-Match": known})
        assert (kept.status_code, kept.content) == (304, b"")
    assert get(shared, path, headers={"If-None-Match": '"another"'}).status_code == 200


def test_a_files_head(shared: Lastword):
    for path in ("/", "/web/chat.js"):
        whole = get(shared, path)
        head = requests.head(shared.url + path, timeout=TIMEOUT)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == whole.headers["Content-Length"]
        assert head.headers["ETag"] == whole.headers["ETag"]


@pytest.mark.parametrize(
    ("accepted", "small"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip; q=1, br;q=0", True),
        ("gzip;q=0", False),
        ("br, gzip ; q=0.000, identity", False),
        ("br", False),
    ],
)
def test_small_for_who_takes_it(accepted: str, small: bool, shared: Lastword):
    answer = requests.get(shared.url, headers={"Accept-Encoding": accepted}, timeout=TIMEOUT)
    assert (answer.headers.get("Content-Encoding") == "gzip") is small


def test_the_page_weighs_less_than_60_kilobytes(shared: Lastword):
    sizes = [int(get(shared, f"/web/{name}").headers["Content-Length"]) for name in FILES]
    assert sum(sizes) < 60_000


@pytest.mark.parametrize("keys", ["", "sk-anne"], ids=["without keys", "with keys"])
def test_what_the_page_must_know(
    keys: str, shared: Lastword, serve: Callable[..., Lastword], tmp_path: Path
):
    here = {"offline": False, "documents": False, "wants_key": False}
    assert get(shared, "/web/config").json() == here
    offline = serve(model="offline", api_keys=keys, documents=tmp_path)
    there = {"offline": True, "documents": True, "wants_key": bool(keys)}
    assert get(offline, "/web/config").json() == there


def test_all_that_the_page_loads_is_there(shared: Lastword):
    page = get(shared, "/").text
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert {path.rpartition(".")[2] for path in loaded} >= {"css", "js"}
    for path in loaded:
        assert get(shared, path).status_code == 200, path
    assert not re.findall(r'(?:src|href)="https?:', page)
    assert not re.findall(r"<script>|<style>|\son\w+=|\sstyle=", page), "the policy forbids it"


def test_the_documentation_knows_every_endpoint(shared: Lastword):
    assert get(shared, "/docs").headers["Content-Type"].startswith("text/html")
    paths = get(shared, "/openapi.json").json()["paths"]
    assert {path: set(methods) for path, methods in paths.items()} == {
        "/api/chat": {"post"},
        "/api/chat/{chat_id}/stream": {"get"},
        "/chat": {"get", "post"},
        "/ag-ui": {"post"},
        "/runs/{run_id}": {"get", "delete"},
        "/runs/{run_id}/events": {"get"},
        "/threads/{thread_id}": {"get", "delete"},
        "/health": {"get"},
        "/ready": {"get"},
        "/metrics": {"get"},
        "/v1/chat/completions": {"post"},
        "/v1/models": {"get"},
        "/v1/models/{model}": {"get"},
        "/v1/embeddings": {"post"},
    }
    answers = paths["/chat"]["post"]["responses"]["200"]["content"]
    assert set(answers) == {"text/plain", "text/event-stream", "application/json"}


@pytest.mark.parametrize("keys", ["", "sk-anne"], ids=["without keys", "with keys"])
def test_the_documentation_knows_errors_and_keys(keys: str, serve: Callable[..., Lastword]):
    lastword = serve(api_keys=keys)
    for _ in range(2):  # it is made once, and kept
        documentation = get(lastword, "/openapi.json").json()
    operations = {
        f"{method} {path}": operation
        for path, methods in documentation["paths"].items()
        for method, operation in methods.items()
    }
    for name, operation in operations.items():
        assert "422" not in operation["responses"]
        (error,) = operation["responses"]["default"]["content"].items()
        kind, schema = ("json", "OpenAIError") if "/v1/" in name else ("problem+json", "Problem")
        assert error == (
            f"application/{kind}",
            {"schema": {"$ref": f"#/components/schemas/{schema}"}},
        )
    components = documentation["components"]
    assert {"ChatRequest", "ChatCompletionRequest", "Problem"} <= set(components["schemas"])
    schemes = components.get("securitySchemes", {})
    assert [scheme["scheme"] for scheme in schemes.values()] == ["bearer"] * bool(keys)
    guarded = {name for name, operation in operations.items() if operation.get("security")}
    assert guarded == (set(operations) - {"get /health", "get /ready"} if keys else set())


def test_errors_are_as_documented(shared: Lastword):
    schema = get(shared, "/openapi.json").json()["components"]["schemas"]["Problem"]
    for answer in (get(shared, "/chat"), get(shared, "/runs/1"), get(shared, "/chat?text=")):
        problem = answer.json()
        assert set(schema["required"]) <= set(problem) <= set(schema["properties"])
        Problem.model_validate(problem, strict=True)


def test_metrics_count_runs(serve: Callable[..., Lastword], upstream: Upstream):
    lastword = serve()
    assert ask(lastword).ok
    upstream.script(Stall())
    with Client(lastword, on_disconnect="cancel") as client:
        wait_for(lambda: "lastword_runs_active 1.0" in get(lastword, "/metrics").text)
        client.leave("fin")
    lastword.wait_until_idle()
    answer = get(lastword, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "lastword_runs_active 0.0" in answer.text
    assert 'lastword_runs_ended_total{how="completed"} 1.0' in answer.text
    assert 'lastword_runs_ended_total{how="cancelled"} 1.0' in answer.text


def test_ready_until_it_goes_down(serve: Callable[..., Lastword], upstream: Upstream):
    """What was begun ends with a word, and nothing new begins."""
    lastword = serve()
    answer = get(lastword, "/ready")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})
    upstream.script(Stall())
    with Client(lastword, EVENTS) as client:
        client.read_until(b"event: start")
        shut_down(lastword.runner)
        assert b'"code":"server_shutdown"' in client.read_until(b"0\r\n\r\n")
    answer = get(lastword, "/ready")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    refused = ask(lastword)
    assert (refused.status_code, refused.json()["code"]) == (503, "server_shutdown")
    assert ServerShutdown.summary in refused.json()["detail"]
    assert requests.get(lastword.url + "/health", timeout=TIMEOUT).ok


def shut_down(runner: Runner) -> None:
    """As the signal's handler does it: in the server's own thread."""
    (execution,) = runner._threads.values()
    wait_for(lambda: execution._answering is not None)
    assert execution._answering is not None
    execution._answering.get_loop().call_soon_threadsafe(runner.shut_down)
