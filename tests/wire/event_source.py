"""A browser's `EventSource`, and what it received."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving import wait_for
from tests.wire.browser import BROWSER, Page, browsing
from tests.wire.helpers import Sse

CLOSED = 2
# The last three are of the standard's examples.
LISTEN = """
window.received = [];
window.source = new EventSource(%s);
for (const name of ["start", "delta", "confirm", "retract", "thought", "tool", "source",
                    "end", "failed", "message", "add", "remove"])
  source.addEventListener(name, (event) =>
    received.push([event.lastEventId, name, event.data]));
"""


@contextmanager
def a_browser(profile: Path) -> Iterator[Page]:
    if BROWSER is None:
        assert not os.environ.get("CI"), "Chromium is missing"
        pytest.skip("needs Chromium")
    with browsing(profile) as page:
        yield page
    shutil.rmtree(profile, ignore_errors=True)


def visit(page: Page, url: str) -> None:
    """Come to a page, so that what is asked from now on is asked by it."""
    page.call("Page.navigate", url=url)
    wait_for(lambda: page.evaluate("document.readyState") == "complete")


def listen(page: Page, path: str) -> None:
    page.evaluate(LISTEN % json.dumps(path))


def raw(page: Page) -> list[list[str]]:
    """Id, name and data of each event."""
    return page.evaluate("received")


def received(page: Page) -> list[Sse]:
    return [Sse(at, name, json.loads(data)) for at, name, data in raw(page)]


def is_closed(page: Page) -> bool:
    """Whether it will not come back."""
    return page.evaluate("source.readyState") == CLOSED
