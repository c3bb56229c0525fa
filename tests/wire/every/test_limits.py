"""The same limits on every wire: of runs, of what may be asked, of patience with who left."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.replies import Reply, Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.every.base import Wire
from tests.wire.every.conftest import ANNE, BOB, Make
from tests.wire.every.meanwhile import held
from tests.wire.every.ours import Text
from tests.wire.every.test_heartbeats import STREAMS
from tests.wire.helpers import TIMEOUT, get, spoken
from tests.wire.openai.clients import MODEL, PATH
from wire.conversation import MAX_TEXT

BUSY = {"openai": "RateLimitError", "openai whole": "RateLimitError", "grpc": "RESOURCE_EXHAUSTED"}
BAD_REQUEST = {
    "openai": "BadRequestError",
    "openai whole": "BadRequestError",
    "websocket": "error",
    "grpc": "INVALID_ARGUMENT",
}
TOO_LONG = "x" * (MAX_TEXT + 1)


def test_too_many_runs(serve: Callable[..., Lastword], upstream: Upstream, make: Make):
    lastword = serve(max_runs=1, grpc_port=0)
    wire = make(lastword, "")
    with held(upstream, Stall(tokens=spoken("One", "."), after=2), wire.ask):
        refused = Text(lastword, wire.clients).ask()
        assert (refused.code, refused.own) == ("busy", 429)
    lastword.wait_until_idle()
    with held(
        upstream, Stall(tokens=spoken("One", "."), after=2), Text(lastword, wire.clients).ask
    ):
        refused = wire.ask()
        own = BUSY.get(wire.name, "error" if wire.name == "websocket" else 429)
        assert (refused.code, refused.own) == ("busy", own)
    assert len(upstream.requests) == 2


def test_too_often(serve: Callable[..., Lastword], upstream: Upstream, make: Make):
    """For each key on its own."""
    lastword = serve(rate_limit="1/day", api_keys=f"{ANNE},{BOB}", grpc_port=0)
    for key in (ANNE, BOB):
        wire = make(lastword, key)
        assert wire.ask().ends == [wire.complete]
        refused = wire.ask()
        own = BUSY.get(wire.name, "error" if wire.name == "websocket" else 429)
        code = (
            "busy" if wire.name.startswith("openai") else "rate_limited"
        )  # it has one name for both
        assert (refused.code, refused.own) == (code, own)
    assert len(upstream.requests) == 2


def test_when_to_ask_again(serve: Callable[..., Lastword]):
    """Without keys all share the limit, whichever way they ask."""
    lastword = serve(rate_limit="24/day")
    text, openai = f"{lastword.url}/chat", f"{lastword.url}{PATH}"
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
    for _ in range(12):
        assert requests.post(text, json={"text": "hi"}, timeout=TIMEOUT).ok
        assert requests.post(openai, json=asked, timeout=TIMEOUT).ok
    for refused in (
        requests.post(text, json={"text": "hi"}, timeout=TIMEOUT),
        requests.post(openai, json=asked, timeout=TIMEOUT),
    ):
        assert refused.status_code == 429
        assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert refused.json()["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize(
    "text", [TOO_LONG, "a\0b", " \n", "half \ud83d of a pair"], ids=["long", "NUL", "empty", "half"]
)
def test_what_cannot_be_asked(text: str, wire: Wire, model: Upstream):
    try:
        told = wire.ask(text)
    except UnicodeEncodeError:
        assert "\ud83d" in text, "some clients themselves do not send it"
        return
    assert (told.code, told.own) == ("bad_request", BAD_REQUEST.get(wire.name, 422))
    assert len(told.seen) < 16_000
    assert model.requests == []


@pytest.mark.parametrize("wrong", [True, "1", 2.1])
@pytest.mark.parametrize(("path", "asked"), STREAMS.values(), ids=STREAMS)
def test_a_temperature_is_a_number(
    path: str, asked: dict[str, Any], wrong: Any, shared: Lastword, model: Upstream
):
    body = {**asked, "temperature": wrong, "forwardedProps": {"temperature": wrong}}
    if path in {"/chat", PATH}:
        del body["forwardedProps"]
    headers = {"Authorization": f"Bearer {ANNE}"}
    refused = requests.post(shared.url + path, json=body, headers=headers, timeout=TIMEOUT)
    assert refused.status_code == (400 if path == PATH else 422)
    assert "temperature: " in refused.text
    assert model.requests == []


def test_half_a_pair_that_a_client_does_send(shared: Lastword, model: Upstream):
    content = json.dumps({"messages": [{"role": "user", "content": "half \ud83d"}]})
    headers = {"Authorization": f"Bearer {ANNE}", "Content-Type": "application/json"}
    refused = requests.post(shared.url + PATH, content, headers=headers, timeout=TIMEOUT)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"].startswith("messages.0.content")
    assert model.requests == []


def test_the_longest_question(wire: Wire, model: Upstream):
    told = wire.ask("é" * MAX_TEXT)
    assert (told.text, told.ends) == ("Hello there.", [wire.complete])
    assert "é" * MAX_TEXT in str(model.requests[0].body)


def test_who_leaves_ends_the_run(wire: Wire, shared: Lastword, model: Upstream):
    """As the server is set; the model's server sees that nobody listens any more."""
    model.script(Stall(tokens=spoken("Begun", ", never said"), after=2))
    thread = f"left-on-{wire.name.replace(' ', '-')}"
    wire.leave("Begun", thread)
    model.wait_for(lambda: model.cancelled == 1)
    shared.wait_until_idle()
    told = get(shared, f"/threads/{thread}", headers={"Authorization": f"Bearer {ANNE}"})
    assert told.json()["messages"][-1]["content"] == "Begun"
    model.script(Reply(tokens=spoken("Next.")))
    assert wire.ask("next", thread).text == "Next."
