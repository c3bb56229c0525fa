"""Many runs over two processes and one Redis, whose clients cannot keep still.

Each client asks one of the servers, is cut off at random, resumes at either of them from its
last cursor, and now and then somebody cancels its run at the other one. What it has in the end
is compared with what the model said.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from bench.report import Column, Row, Table
from bench.servers import LASTWORD, Running, Server, redis_server, running, uvicorn
from tests.replies import Reply, cut_text, final
from tests.upstream import Upstream

RUNS, AT_ONCE, WORDS = 1_000, 40, 120
SEED = 7
ENDS = {"end", "failed"}
CANCELLED = 0.1
"""The part of the runs that somebody cancels."""


PARTS = 4
COUNTED = ("whole", "cancelled", "cuts", "lost", "doubled", "failed", "running")


class Event(NamedTuple):
    name: str
    cursor: int
    data: Any


@dataclass
class Counts:
    """What became of all runs."""

    whole: int = 0
    cancelled: int = 0
    cuts: int = 0
    lost: int = 0
    doubled: int = 0
    failed: int = 0
    running: int = 0
    problems: list[str] = field(default_factory=list)


def answer_to(question: str) -> str:
    """What the model says, different for each question."""
    words = random.Random(question)
    return " ".join(f"wörd{words.randrange(10**6)}" for _ in range(WORDS))


class Client:
    """Follows one run to its end, through everything."""

    def __init__(self, number: int, servers: list[Running], http: httpx2.AsyncClient) -> None:
        self.question = f"Question {number}?"
        self.luck = random.Random(SEED + number)
        self.servers = servers
        self.http = http
        self.cursors: list[int] = []
        self.text: list[str] = []
        self.cuts = 0
        self.end: Event | None = None
        self.run_id = ""

    async def go(self) -> None:
        cancels = self.luck.random() < CANCELLED
        while not self.end:
            patience = self.luck.randrange(1, 60)
            try:
                async with contextlib.aclosing(self._events()) as events:
                    async for event in events:
                        self._take(event)
                        patience -= 1
                        if patience == 0 and not self.end:
                            self.cuts += 1
                            break
            except httpx2.HTTPError:
                continue
            if cancels and len(self.cursors) > 40 and not self.end:
                cancels = False
                await self.http.delete(f"{self._somewhere()}/runs/{self.run_id}")

    async def _events(self) -> AsyncIterator[Event]:
        if self.run_id:
            url, after = f"{self._somewhere()}/runs/{self.run_id}/events", self.cursors[-1]
            request = self.http.stream("GET", url, params={"after": str(after)})
        else:
            body = {"text": self.question, "on_disconnect": "continue"}
            accept = {"Accept": "text/event-stream"}
            url = f"{self._somewhere()}/chat"
            request = self.http.stream("POST", url, json=body, headers=accept)
        async with request as response:
            response.raise_for_status()
            frame: dict[str, str] = {}
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name:
                    frame[name] = value
                elif frame:
                    yield Event(frame["event"], int(frame["id"]), json.loads(frame["data"]))
                    frame = {}

    def _take(self, event: Event) -> None:
        self.cursors.append(event.cursor)
        self.run_id = event.data.get("run_id", self.run_id)
        if event.name == "delta":
            self.text.append(event.data["text"])
        if event.name in ENDS:
            self.end = event

    def _somewhere(self) -> str:
        return f"http://127.0.0.1:{self.luck.choice(self.servers).port}"


def count(counts: Counts, client: Client) -> None:
    assert client.end
    expected, got = answer_to(client.question), "".join(client.text)
    counts.cuts += client.cuts
    if client.cursors != list(range(1, len(client.cursors) + 1)):
        counts.problems.append(f"{client.question} cursors {client.cursors}")
        counts.doubled += len(client.cursors) != len(set(client.cursors))
    if client.end.name == "failed":
        counts.failed += 1
        counts.problems.append(f"{client.question} {client.end.data}")
    elif client.end.data["finish_reason"] == "cancelled":
        counts.cancelled += 1
        counts.lost += not expected.startswith(got)
    else:
        counts.whole += 1
        counts.lost += got != expected


@contextlib.contextmanager
def _two_servers() -> Iterator[list[Running]]:
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(redis_server(data))
        model = stack.enter_context(Upstream())
        model.default = lambda request: Reply(
            tokens=cut_text(final(answer_to(request["messages"][-1]["content"])), 4), delay=0.002
        )
        env = LASTWORD | {"REDIS_URL": url, "LASTWORD_DATA": data}
        server = Server(uvicorn("main:app"), env=env)
        yield [stack.enter_context(running(server, model.url)) for _ in range(2)]


def _descriptors(server: Running) -> int:
    return sum(1 for _ in Path(f"/proc/{server.pid}/fd").iterdir())


def _megabytes(server: Running) -> float:
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _run(servers: list[Running], runs: range, counts: Counts) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            client = Client(number, servers, http)
            await client.go()
            count(counts, client)

    limits = httpx2.Limits(max_connections=2 * AT_ONCE)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as http:
        await asyncio.gather(*map(one, runs))
        for server in servers:
            metrics = (await http.get(f"http://127.0.0.1:{server.port}/metrics")).text
            counts.running += int(
                float(re.findall(r"^lastword_runs_active (.*)$", metrics, re.MULTILINE)[0])
            )


def soak(options: argparse.Namespace) -> Table:
    runs = 50 if options.quick else RUNS
    rows: dict[str, Row] = {}
    with _two_servers() as servers:
        asyncio.run(_run(servers, range(-AT_ONCE, 0), Counts()))  # so that all is there
        for part in range(PARTS):
            before = sum(map(_descriptors, servers))
            counts = Counts()
            span = runs // PARTS
            asyncio.run(_run(servers, range(part * span, (part + 1) * span), counts))
            for problem in counts.problems[:10]:
                print(problem[:300])
            row = {name: getattr(counts, name) for name in COUNTED}
            row["descriptors"] = sum(map(_descriptors, servers)) - before
            row["MB"] = sum(map(_megabytes, servers))
            rows[f"part {part + 1}"] = row
    columns = [Column(name, "{:,.0f}") for name in (*COUNTED, "descriptors", "MB")]
    return Table(f"{runs} runs over two processes and Redis, cut at random", columns, rows)
