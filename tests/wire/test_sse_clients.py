"""Events as their readers read them: any words, cut anywhere, by any parser; and real clients."""

import itertools
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import httpx_sse
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.events import AnswerDelta, Event, RunCompleted, RunStarted
from stream.log import Cursor, Entry
from tests.replies import Close, Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.browser import Page
from tests.wire.event_source import a_browser
from tests.wire.helpers import EVENTS, TIMEOUT, answer_of, ask, get, only_run, parse, spoken
from tests.wire.sse_parsers import PARSERS, Read, by_a_browser
from tests.wire.test_sse import GOLDEN
from wire.sse import SseEncoder

HOSTILE = [
    *("\r", "\n", "\r\n", "\n\ndata: x\n\n", "\0", "\ufeff", "\x85", "\u2028", "\u2029"),
    *("\v\f\x1c\x1d\x1e", "🤙", "\ud83e", "\udd19", '"\\', ": ", " ", "id: 7\n", "x" * 10_000),
]
MESSAGES = """\
data: This is the first message.

data: This is the second message, it
data: has two lines.

data: This is the third message.

"""
COMMENTED = """\
: test stream

data: first event
id: 1

data:second event
id

data:  third event

"""
EXAMPLES: dict[str, tuple[str, Read]] = {
    "a price": ("data: YHOO\ndata: +2\ndata: 10\n\n", [("", "message", "YHOO\n+2\n10")]),
    "messages": (
        MESSAGES,
        [
            ("", "message", "This is the first message."),
            ("", "message", "This is the second message, it\nhas two lines."),
            ("", "message", "This is the third message."),
        ],
    ),
    "names": (
        "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
        [("", "add", "73857293"), ("", "remove", "2153"), ("", "add", "113411")],
    ),
    "a comment, ids, and a space": (
        COMMENTED,
        [
            ("1", "message", "first event"),
            ("", "message", "second event"),
            ("", "message", " third event"),
        ],
    ),
    "nothing, and the unfinished": (
        "data\n\ndata\ndata\n\ndata:",
        [("", "message", ""), ("", "message", "\n")],
    ),
    "spaces": ("data:test\n\ndata: test\n\n", [("", "message", "test")] * 2),
}
"""Of the WHATWG's HTML standard, sections 9.2.1 and 9.2.6."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with a_browser(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


# The parsers


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"], ids=["LF", "CR LF", "CR"])
@pytest.mark.parametrize(("stream", "events"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_parsers_know_the_standard(stream: str, events: Read, eol: str, size: int):
    pieces = cut(stream.replace("\n", eol).encode(), itertools.repeat(size))
    assert {name: read(pieces) for name, read in PARSERS.items()} == dict.fromkeys(PARSERS, events)


@pytest.mark.parametrize(("stream", "events"), EXAMPLES.values(), ids=EXAMPLES)
def test_browsers_know_the_standard(stream: str, events: Read, page: Page):
    assert by_a_browser(page, [stream.encode()]) == events


# What we say


def cut(stream: bytes, sizes: Iterator[int]) -> list[bytes]:
    at, pieces = 0, []
    while at < len(stream):
        pieces.append(stream[at : (at := at + next(sizes))])
    return pieces


def encoded(events: Sequence[Event], batch: int = 1) -> bytes:
    """In batches, with a heartbeat after each."""
    entries = [Entry(Cursor(str(n)), event) for n, event in enumerate(events, 1)]
    encoder = SseEncoder(("tools", "sources", "thoughts"))
    batches = [entries[at : at + batch] for at in range(0, len(entries), batch)]
    return b"".join(encoder.encode(batch) + encoder.encode([]) for batch in batches)


def saying(words: Sequence[str]) -> list[Event]:
    return [RunStarted("r", "t"), *map(AnswerDelta, words), RunCompleted()]


def well_formed(text: str) -> str:
    """Halves of a character that meet are one, as in JSON."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def words_of(events: Read) -> list[str]:
    return [json.loads(data)["text"] for _, name, data in events if name == "delta"]


def test_every_event_is_read_by_all(page: Page):
    stream = encoded([event for event, _, _ in GOLDEN])
    expected = [(str(n), name, data) for n, (_, name, data) in enumerate(GOLDEN, 1)]
    for read in PARSERS.values():
        assert read([stream]) == expected
    assert by_a_browser(page, [stream]) == expected


@settings(max_examples=400, deadline=None)
@example(words=HOSTILE, batch=1, sizes=[1])
@given(
    words=st.lists(st.text(st.characters(), max_size=8) | st.sampled_from(HOSTILE), max_size=12),
    batch=st.integers(1, 5),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
def test_any_words_are_read_by_all(words: list[str], batch: int, sizes: list[int]):
    pieces = cut(encoded(saying(words), batch), itertools.cycle(sizes))
    first, *others = [read(pieces) for read in PARSERS.values()]
    assert words_of(first) == list(map(well_formed, words))
    assert [at for at, _, _ in first] == [str(n) for n in range(1, len(words) + 3)]
    assert all(other == first for other in others)


def test_ten_thousand_runs_are_read_by_all(page: Page):
    """At once, so that a browser can read as many."""
    luck = random.Random(7)
    runs = [_some_words(luck) for _ in range(10_000)]
    stream = b"".join(encoded(saying(words), luck.randint(1, 5)) for words in runs)
    pieces = cut(stream, iter(lambda: luck.randint(1, 5000), 0))
    said = [well_formed(word) for words in runs for word in words]
    first, *others = [read(pieces) for read in PARSERS.values()]
    assert words_of(first) == said
    assert all(other == first for other in [*others, by_a_browser(page, pieces)])


def _some_words(luck: random.Random) -> list[str]:
    short = HOSTILE[:-1]
    return [
        luck.choice(short) if luck.random() < 0.5 else chr(luck.randrange(0x110000))
        for _ in range(luck.randrange(5))
    ]


# Clients


def test_httpx_sse_reads_on_where_it_was(shared: Lastword, model: Upstream):
    stall = model.script(Stall(tokens=spoken("One ", "two\u2028\r\n", "three."), after=2))
    with httpx.Client(base_url=shared.url, timeout=TIMEOUT) as client:
        body = {"text": "hi", "on_disconnect": "continue"}
        with httpx_sse.connect_sse(client, "POST", "/chat", json=body) as source:
            seen = list(itertools.islice(source.iter_sse(), 2))
            assert seen[-1].json() == {"text": "One "}
        path = f"/runs/{only_run(shared)}/events"
        stall.gate.release()
        resume = {"Last-Event-ID": seen[-1].id}
        with httpx_sse.connect_sse(client, "GET", path, headers=resume) as source:
            seen += source.iter_sse()
    assert [event.id for event in seen] == [str(n) for n in range(1, len(seen) + 1)]
    deltas = [event.json()["text"] for event in seen if event.event == "delta"]
    assert "".join(deltas) == "One two\u2028\r\nthree."
    assert seen[-1].event == "end"


@pytest.fixture
def curl(shared: Lastword) -> Callable[..., "subprocess.Popen[bytes]"]:
    if not shutil.which("curl"):
        assert not os.environ.get("CI"), "curl is missing"
        pytest.skip("needs curl")

    def start(path: str, *options: str) -> "subprocess.Popen[bytes]":
        command = ["curl", "--silent", "--no-buffer", "--max-time", str(TIMEOUT), *options]
        return subprocess.Popen([*command, shared.url + path], stdout=subprocess.PIPE)

    return start


def test_curl_shows_events_as_they_come(curl: Any, shared: Lastword, model: Upstream):
    stall = model.script(Stall(tokens=spoken("One ", "two"), after=2))
    with curl("/chat", "--json", '{"text": "hi"}', "--header", f"Accept: {EVENTS}") as process:
        seen = b""
        while b"One " not in seen:
            seen += process.stdout.readline()
        assert process.poll() is None
        run = only_run(shared)
        stall.gate.release()
        seen += process.stdout.read()
    assert process.returncode == 0
    events = parse(seen)
    assert answer_of(events) == "One two"
    for event in events[:-1]:
        with curl(f"/runs/{run}/events", "--header", f"Last-Event-ID: {event.id}") as process:
            rest = parse(process.stdout.read())
        assert rest == events[events.index(event) + 1 :]
    last = get(shared, f"/runs/{run}/events", headers={"Last-Event-ID": events[-1].id})
    assert last.status_code == 204


def test_curl_knows_that_plain_text_was_cut_off(curl: Any, model: Upstream):
    model.script(Close(tokens=spoken("One ", "two"), after=2, how="reset"))
    with curl("/chat?text=hi") as process:
        assert process.stdout.read() == b"One "
    assert process.returncode == 18, "a partial file"


def test_a_cursor_in_the_header_counts_more_than_one_in_the_address(shared: Lastword):
    """It is newer: a browser comes back to the address that it was given first."""
    run = ask(shared, accept=EVENTS).headers["X-Run-Id"]
    events = parse(get(shared, f"/runs/{run}/events").content)
    again = get(shared, f"/runs/{run}/events?after=1", headers={"Last-Event-ID": events[-2].id})
    assert parse(again.content) == events[-1:]
