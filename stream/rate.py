"""How often somebody may ask: so many runs in so much time.

Kept is one number for each principal: when all its turns will have come back, one after the
other (GCRA). So there is no window at whose edge twice as many would pass, the time until the
next turn is known, and who is refused has used nothing.
"""

import re
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

from stream.errors import RateLimited

SECOND = 1_000_000
"""In microseconds, which all times here are in: whole numbers, so that nothing is rounded away."""
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_TEXT = re.compile(rf"([1-9][0-9]{{0,5}})/({'|'.join(_UNITS)})")


class Rate(NamedTuple):
    """So many turns; each comes back after `interval`."""

    turns: int
    period: int

    @classmethod
    def of(cls, text: str) -> Self:
        """From `60/minute`. Raises `ValueError`."""
        if not (found := _TEXT.fullmatch(text)):
            raise ValueError("use 60/minute, or another number per second, minute, hour or day")
        return cls(int(found[1]), _UNITS[found[2]] * SECOND)

    @property
    def interval(self) -> int:
        return self.period // self.turns


class RateLimit(Protocol):
    """Who may ask now."""

    async def take(self, principal: str) -> None:
        """Use one turn. Raises `RateLimited`, which says when the next one comes."""


class MemoryRateLimit(RateLimit):
    """For one process. There are no more numbers than API keys."""

    def __init__(self, rate: Rate, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` in nanoseconds."""
        self._rate = rate
        self._clock = clock
        self._back: dict[str, int] = {}

    async def take(self, principal: str) -> None:
        now = self._clock() // 1000
        back = max(self._back.get(principal, 0), now) + self._rate.interval
        refuse(back - now - self._rate.period)
        self._back[principal] = back


def refuse(wait: int) -> None:
    """Raises `RateLimited` if the next turn is yet to come."""
    if wait > 0:
        raise RateLimited(retry_after=-(-wait // SECOND))
