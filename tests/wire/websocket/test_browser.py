"""The socket as a page's own script uses it, in a real browser."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.replies import Stall
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.browser import BROWSER, Page, browsing
from tests.wire.helpers import spoken
from tests.wire.websocket.talk import Frame, answer_of

OPEN = """
window.open_socket = (name, url, ...protocols) => {
    const socket = window[name] = new WebSocket(url, protocols);
    socket.frames = [];
    socket.onmessage = (message) => socket.frames.push(JSON.parse(message.data));
    socket.onclose = (event) => { socket.code = event.code; };
};
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if BROWSER is None:
        pytest.skip("no Chromium here")
    profile = tmp_path_factory.mktemp("browser") / "profile"
    with browsing(profile) as page:
        yield page
    shutil.rmtree(profile, ignore_errors=True)


def visit(page: Page, url: str) -> None:
    page.call("Page.navigate", url=url)
    wait_for(lambda: page.evaluate("document.readyState === 'complete' && location.href") == url)
    page.evaluate(OPEN)


def connect(page: Page, name: str, lastword: Lastword, *protocols: str) -> None:
    url = lastword.url.replace("http:", "ws:") + "/ws"
    page.evaluate(f"open_socket({', '.join(map(json.dumps, (name, url, *protocols)))})")


def is_open(page: Page, name: str) -> bool:
    """Waits until that is known."""
    wait_for(lambda: page.evaluate(f"{name}.readyState !== WebSocket.CONNECTING"))
    return bool(page.evaluate(f"{name}.readyState === WebSocket.OPEN"))


def say(page: Page, name: str, kind: str, **fields: Any) -> None:
    frame = json.dumps({"type": kind, **fields})
    page.evaluate(f"{name}.send({json.dumps(frame)})")


def heard(page: Page, name: str) -> list[Frame]:
    frames: list[Frame] = page.evaluate(f"{name}.frames")
    return frames


def of_run(frames: list[Frame], run: str) -> list[Frame]:
    return [frame for frame in frames if frame.get("run_id") == run]


def test_a_page_asks_cancels_and_resumes(page: Page, lastword: Lastword, upstream: Upstream):
    visit(page, lastword.url + "/")
    connect(page, "first", lastword)
    assert is_open(page, "first")
    stalls = []
    for name in ("a", "b"):
        stalls.append(
            upstream.script(Stall(tokens=spoken(f"{name}1 ", f"{name}2 🤙\u2028"), after=2))
        )
        say(page, "first", "ask", text="hi", id=name, on_disconnect="continue")
        upstream.wait_for(lambda: upstream.open == len(stalls))
    wait_for(lambda: answer_of(heard(page, "first")) in {"a1 b1 ", "b1 a1 "})
    frames = heard(page, "first")
    runs = {frame["id"]: frame["run_id"] for frame in frames if frame["type"] == "start"}

    say(page, "first", "cancel", run_id=runs["a"])
    wait_for(lambda: "end" in [f["type"] for f in of_run(heard(page, "first"), runs["a"])])
    cancelled = of_run(heard(page, "first"), runs["a"])
    (end,) = [frame for frame in cancelled if frame["type"] == "end"]
    assert end["finish_reason"] == "cancelled"
    assert answer_of(cancelled) == "a1 "

    seen = of_run(heard(page, "first"), runs["b"])
    page.evaluate("first.close()")
    connect(page, "second", lastword)
    assert is_open(page, "second")
    say(page, "second", "resume", run_id=runs["b"], after=seen[-1]["cursor"])
    stalls[1].gate.release()
    wait_for(lambda: "end" in [frame["type"] for frame in heard(page, "second")])
    assert answer_of([*seen, *heard(page, "second")]) == "b1 b2 🤙\u2028"


def test_a_page_with_a_key(page: Page, serve: Callable[..., Lastword]):
    lastword = serve(api_keys="sk-anne/?")
    key = "bearer." + base64.urlsafe_b64encode(b"sk-anne/?").decode().rstrip("=")
    visit(page, lastword.url + "/")
    connect(page, "mine", lastword, "lastword", key)
    assert is_open(page, "mine")
    assert page.evaluate("mine.protocol") == "lastword"
    say(page, "mine", "ask", text="hi")
    wait_for(lambda: answer_of(heard(page, "mine")) == "Hello there.")
    connect(page, "nobody", lastword, "lastword")
    assert not is_open(page, "nobody")
    connect(page, "eve", lastword, "lastword", "bearer.c2stZXZl")
    assert not is_open(page, "eve")


def test_a_page_of_another_origin(page: Page, serve: Callable[..., Lastword], upstream: Upstream):
    there = upstream.url.removesuffix("/v1")
    ours, friendly = serve(), serve(cors_origins=there)
    visit(page, upstream.url + "/models")
    connect(page, "refused", ours)
    assert not is_open(page, "refused")
    connect(page, "allowed", friendly)
    assert is_open(page, "allowed")
