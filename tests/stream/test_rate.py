"""How often one may ask: what every counter promises, and what is special with Redis."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from stream.errors import RateLimited, StorageLost
from stream.rate import SECOND, MemoryRateLimit, Rate, RateLimit
from tests.redis_server import redis_server, shared_redis
from tests.stream.processes import Processes, processes

pytestmark = pytest.mark.anyio
SOME = 30
"""Seconds that a test may take, where it is Redis that has the clock."""


class Clock:
    """In nanoseconds, as `time.monotonic_ns`; it stands still."""

    def __init__(self) -> None:
        self.now = 10**18

    def __call__(self) -> int:
        return self.now


Advance = Callable[[float], Any]
Opened = AbstractAsyncContextManager[tuple[RateLimit, Advance]]


@asynccontextmanager
async def in_memory(rate: Rate) -> AsyncIterator[tuple[RateLimit, Advance]]:
    clock = Clock()

    async def advance(seconds: float) -> None:
        clock.now += int(seconds * 10**9)

    yield MemoryRateLimit(rate, clock), advance


@asynccontextmanager
async def on_redis(rate: Rate) -> AsyncIterator[tuple[RateLimit, Advance]]:
    """Its clock is its own, so what was counted is made older instead."""
    async with processes(shared_redis().url) as several:

        async def advance(seconds: float) -> None:
            for key in await several.redis.keys(several.keys.rate("*")):
                back = int(await several.redis.get(key)) - int(seconds * SECOND)
                await several.redis.set(key, back, keepttl=True)

        yield (await several.open_unready()).rate_limit(rate), advance


LIMITS: dict[str, Callable[[Rate], Opened]] = {"memory": in_memory, "redis": on_redis}


@pytest.fixture(params=LIMITS)
def limit(request: pytest.FixtureRequest) -> Callable[[Rate], Opened]:
    return LIMITS[request.param]


async def taken(limit: RateLimit, times: int, principal: str = "me") -> int:
    """How many of so many turns there are."""
    waits = [await wait(limit, principal) for _ in range(times)]
    assert 0 not in waits[waits.count(0) :], "those that are refused come last"
    return waits.count(0)


async def wait(limit: RateLimit, principal: str = "me") -> int:
    """For how many seconds one is told to wait; 0 if there was a turn."""
    try:
        await limit.take(principal)
    except RateLimited as refused:
        return refused.retry_after or -1
    return 0


@pytest.mark.parametrize("text", ["1/day", "7/day", "11/hour", "60/hour"])
async def test_all_turns_at_once_and_no_more(limit, text: str) -> None:
    rate = Rate.of(text)
    async with limit(rate) as (counted, _):
        assert await taken(counted, rate.turns + 3) == rate.turns
        assert 0 <= math.ceil(rate.interval / SECOND) - await wait(counted) < SOME


async def test_one_turn_comes_back_after_the_other(limit) -> None:
    async with limit(Rate.of("4/day")) as (counted, advance):
        assert await taken(counted, 5) == 4
        await advance(21_500)
        assert 0 <= 100 - await wait(counted) < SOME
        await advance(100 + 21_600)
        assert await taken(counted, 5) == 2
        await advance(10 * 86_400)
        assert await taken(counted, 5) == 4, "and never more than all"


async def test_who_is_refused_has_used_nothing(limit) -> None:
    async with limit(Rate.of("2/day")) as (counted, advance):
        assert await taken(counted, 50) == 2
        await advance(43_200)
        assert await wait(counted) == 0


async def test_everybody_has_turns_of_their_own(limit) -> None:
    async with limit(Rate.of("2/day")) as (counted, _):
        for principal in ("me", "you", ""):
            assert await taken(counted, 3, principal) == 2


async def test_many_at_the_same_time(limit) -> None:
    async with limit(Rate.of("10/day")) as (counted, _):
        waits = await asyncio.gather(*(wait(counted) for _ in range(40)))
        assert waits.count(0) == 10


# Redis


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


async def test_all_processes_count_together(several: Processes) -> None:
    rate = Rate.of("6/day")
    limits = [(await several.open_unready()).rate_limit(rate) for _ in range(3)]
    waits = await asyncio.gather(*(wait(each) for each in limits * 5))
    assert waits.count(0) == 6


async def test_nothing_stays_of_who_has_all_turns(several: Processes) -> None:
    limit = (await several.open_unready()).rate_limit(Rate.of("4/day"))
    assert await taken(limit, 2) == 2
    kept = await several.redis.pttl(several.keys.rate("me"))
    assert 43_100_000 < kept <= 43_200_000


async def test_a_longer_period_that_was_set_before(several: Processes) -> None:
    """Nor does a clock that was wrong lock anybody out."""
    log = await several.open_unready()
    assert await taken(log.rate_limit(Rate.of("1/day")), 2) == 1
    assert 0 <= 1800 - await wait(log.rate_limit(Rate.of("2/hour"))) < SOME


async def test_without_redis(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with redis_server() as server:
        async with processes(server.url) as several:
            limit = (await several.open()).rate_limit(Rate.of("1/day"))
            server.freeze()
            monkeypatch.setattr("stream.redis_connection.PATIENCE", 0.2)
            with pytest.raises(StorageLost):
                await limit.take("me")
