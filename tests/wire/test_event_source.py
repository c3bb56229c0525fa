"""Browsers: an `EventSource` that is cut off comes back by itself, and stops at the end."""

import json
from collections.abc import Iterator

import pytest

from tests.replies import Close, Stall
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.browser import Page
from tests.wire.event_source import a_browser, is_closed, listen, received, visit
from tests.wire.helpers import (
    EVENTS,
    TEXT,
    TIMEOUT,
    Client,
    answer_of,
    ask,
    only_run,
    parse,
    spoken,
)
from tests.wire.proxy import Proxy
from wire import sse

PIECES = [f"wörd {n} \u2028\r\n🤙" for n in range(60)]
ANSWER = "".join(PIECES)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with a_browser(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers are told to come back at once."""
    monkeypatch.setattr(sse, "RETRY", 1)


CUTS = (700, *range(150, 950, 73))
"""In the head of an answer, in a frame, in a number; the first lets the first event through."""


@pytest.mark.usefixtures("impatient")
def test_it_comes_back_wherever_it_is_cut(page: Page, shared: Lastword, model: Upstream):
    half = model.script(Stall(tokens=spoken(*PIECES), after=len(PIECES) // 2))
    with (
        Client(shared, EVENTS, on_disconnect="continue") as asking,
        Proxy(shared.url, CUTS) as proxy,
    ):
        asking.read_until(b"event: delta")
        visit(page, proxy.url)
        listen(page, f"/runs/{only_run(shared)}/events")
        wait_for(lambda: len(proxy.heads) > 2)
        half.gate.release()
        wait_for(lambda: is_closed(page), TIMEOUT)
        asking.read_until(b"\r\n0\r\n\r\n")
        whole = parse(asking.body)
        assert received(page) == whole
        assert answer_of(whole) == ANSWER
        assert len(proxy.heads) == len(CUTS) + 2, "once more after the end, and never again"
    places = [int(cursor or 0) for cursor in proxy.cursors]
    assert places == sorted(places)
    assert places[1] > 0
    assert proxy.cursors[-1] == whole[-1].id


@pytest.mark.usefixtures("impatient")
def test_it_stops_when_the_run_has_failed(page: Page, shared: Lastword, model: Upstream):
    model.script(Close(tokens=spoken("One ", "two"), after=2, how="reset"))
    run = ask(shared, accept=EVENTS).headers["X-Run-Id"]
    with Proxy(shared.url) as proxy:
        visit(page, proxy.url)
        listen(page, f"/runs/{run}/events")
        wait_for(lambda: is_closed(page), TIMEOUT)
        assert [event.name for event in received(page)] == ["start", "delta", "failed"]
        assert len(proxy.heads) == 2


def test_it_stops_where_there_is_nothing(page: Page, shared: Lastword):
    with Proxy(shared.url) as proxy:
        visit(page, proxy.url)
        listen(page, "/runs/none/events")
        wait_for(lambda: is_closed(page), TIMEOUT)
        assert received(page) == []
        assert len(proxy.heads) == 1


FETCH = """
window.pieces = [];
window.over = false;
fetch("/chat", {
  method: "POST",
  headers: {"Content-Type": "application/json", Accept: %s},
  body: JSON.stringify({text: "hi"}),
}).then(async (response) => {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const {done, value} = await reader.read();
    if (done) break;
    pieces.push(value);
  }
  over = true;
});
null
"""


@pytest.mark.parametrize("wire", [TEXT, EVENTS])
def test_fetch_reads_while_the_model_speaks(
    wire: str, page: Page, shared: Lastword, model: Upstream
):
    stall = model.script(Stall(tokens=spoken("Begun ", ANSWER), after=2))
    visit(page, shared.url)
    page.evaluate(FETCH % json.dumps(wire))
    wait_for(lambda: "Begun " in page.evaluate("pieces.join('')"))
    assert not page.evaluate("over")
    stall.gate.release()
    wait_for(lambda: page.evaluate("over"))
    text = page.evaluate("pieces.join('')")
    said = answer_of(parse(text.encode())) if wire == EVENTS else text
    assert said == "Begun " + ANSWER
