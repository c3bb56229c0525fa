"""What a token costs a server while it answers: CPU nanoseconds of its hooks alone."""

import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import Sequence

from bench.fidelity.base import PRINTED, RUN, Server
from bench.fidelity.cuts import Cut
from bench.fidelity.servers import PARTS, SERVERS
from bench.fidelity.tokens import Token

Replies = Sequence[Sequence[Token]]


async def cost(name: str, replies: Replies, cut: Cut, rounds: int) -> dict[str, float]:
    """Of each server, answering in one format: medians over interleaved rounds."""
    servers = SERVERS | PARTS
    measured: dict[str, list[float]] = {server: [] for server in servers}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for server, make in servers.items():
                spent = [await _answer(make(name, cut), tokens) for tokens in replies]
                measured[server].append(sum(spent) / sum(map(len, replies)))
    finally:
        gc.enable()
    return {server: statistics.median(times) for server, times in measured.items()}


async def _answer(server: Server, tokens: Sequence[Token]) -> int:
    hear = server.hear
    is_async = asyncio.iscoroutinefunction(hear)
    with contextlib.redirect_stdout(PRINTED):
        await server.begin()
        start = time.thread_time_ns()
        if is_async:
            for text, chunk, _ in tokens:
                await hear(text, chunk=chunk, run_id=RUN)
        else:
            for text, chunk, _ in tokens:
                hear(text, chunk=chunk, run_id=RUN)
        await server.end()
        spent = time.thread_time_ns() - start
        server.take()
    return spent
