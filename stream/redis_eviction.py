"""A Redis that is full may drop what it likes, and runs with it: say so at the start."""

import asyncio
import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

HARMLESS = "noeviction"
"""The one policy that refuses to write instead. All our keys have a time to live, so even
those of the others that spare keys without one do not spare ours."""
PAUSE = 1.0

logger = logging.getLogger("lastword")


async def warn_of_eviction(redis: Redis) -> None:
    """Ask as soon as it answers. Where `CONFIG` is forbidden nothing is known."""
    while True:
        try:
            policy = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy", HARMLESS)
        except ResponseError:
            return
        except RedisError:
            await asyncio.sleep(PAUSE)
            continue
        if policy != HARMLESS:
            logger.warning("Redis drops runs when it is full: maxmemory-policy is %s", policy)
        return
