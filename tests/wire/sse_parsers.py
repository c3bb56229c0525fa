"""Four readers of event streams that owe nothing to each other, nor to our encoder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import TypeAlias

import httpx
import httpx_sse
import pytest
from openai._streaming import SSEDecoder  # what its `Stream` reads with

from tests.serving import wait_for
from tests.wire import helpers
from tests.wire.browser import Page
from tests.wire.event_source import is_closed, listen, raw, visit
from tests.wire.helpers import EVENTS, TIMEOUT

Read: TypeAlias = list[tuple[str, str, str]]
"""Id, name and data of each event."""


def by_the_standard(pieces: Sequence[bytes]) -> Read:
    """The parser of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helpers, "json", SimpleNamespace(loads=str))  # not all data is JSON
        return [(e.id, e.name, e.data) for e in helpers.parse(b"".join(pieces))]


def by_httpx_sse(pieces: Sequence[bytes]) -> Read:
    response = httpx.Response(200, headers={"Content-Type": EVENTS}, content=iter(pieces))
    events = httpx_sse.EventSource(response).iter_sse()
    return [(e.id, e.event or "message", e.data) for e in events]


def by_openai(pieces: Sequence[bytes]) -> Read:
    events = SSEDecoder().iter_bytes(iter(pieces))
    return [(e.id or "", e.event or "message", e.data) for e in events]


PARSERS: dict[str, Callable[[Sequence[bytes]], Read]] = {
    "these tests'": by_the_standard,
    "httpx-sse's": by_httpx_sse,
    "openai's": by_openai,
}


def by_a_browser(page: Page, pieces: Sequence[bytes]) -> Read:
    """A page's own `EventSource`, from a server that says this once."""
    with _feeding(pieces) as url:
        visit(page, url)
        listen(page, "/events")
        wait_for(lambda: is_closed(page), TIMEOUT)
        return [(at, name, data) for at, name, data in raw(page)]


@contextmanager
def _feeding(pieces: Sequence[bytes]) -> Iterator[str]:
    rest = [b"retry: 1\n\n", *pieces]  # it comes back to be told that this was all

    class Feed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said, rest[:] = (list(rest), []) if self.path == "/events" else ([], rest)
            self.send_response(200 if said or self.path == "/" else 204)
            self.send_header("Content-Type", EVENTS if said else "text/html")
            self.end_headers()
            for piece in said:
                self.wfile.write(piece)

        def log_message(self, *_: object) -> None:
            """Quietly."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Feed) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
