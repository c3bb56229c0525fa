"""A stream must not look dead to a proxy while only what nobody asked for is happening."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.replies import Reply, Token
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import EVENTS, Client

THOUGHTS: list[Token] = [{"reasoning_content": "hm"}] * 1000
MESSAGES = [{"role": "user", "content": "hi"}]
STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "sse": ("/chat", {}),
    "openai": ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
    "ai_sdk": (
        "/api/chat",
        {"id": "c", "messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]},
    ),
    "ag_ui": (
        "/ag-ui",
        {"threadId": "t", "runId": "r", "messages": [{"id": "m", **MESSAGES[0]}]},
    ),
}


@pytest.mark.parametrize(("path", "asked"), STREAMS.values(), ids=STREAMS)
def test_a_model_that_thinks_for_long(
    path: str, asked: dict[str, Any], serve: Callable[..., Lastword], upstream: Upstream
):
    """There is an event every hundredth of a second, and none of them is told."""
    lastword = serve(protocol="think+json_chat", heartbeat=0.1, on_disconnect="cancel")
    upstream.script(Reply(tokens=THOUGHTS, delay=0.01))
    with Client(lastword, EVENTS, path=path, **asked) as client:
        upstream.wait_for(lambda: upstream.requests and upstream.requests[0].sent)
        before = client.body.count(b": heartbeat\n")
        while client.body.count(b": heartbeat\n") < before + 3:
            assert client.read(), "it ended before"
        assert upstream.requests[0].ended is None, "the model still thinks"
        assert b"hm" not in client.received
    upstream.wait_for(lambda: upstream.cancelled == 1)
