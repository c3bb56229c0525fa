"""How often somebody may ask, counted in Redis: once for all processes, by its clock."""

from redis.asyncio import Redis

from stream.rate import Rate, RateLimit, refuse
from stream.redis_connection import storage
from stream.redis_scripts import Keys

TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local back = tonumber(redis.call('GET', KEYS[1]) or 0)
back = math.max(math.min(back, now + period), now) + interval
local wait = back - now - period
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', back), 'PX', math.ceil((back - now) / 1000))
return 0
"""
"""Microseconds until there is a turn; if there is one, it is used. No turn is further away than
the period, whatever the clock or the setting was when it was written.
"""


class RedisRateLimit(RateLimit):
    """Raises `StorageLost`, too: without Redis the run could not be opened either."""

    def __init__(self, redis: Redis, keys: Keys, rate: Rate) -> None:
        self._take = redis.register_script(TAKE)
        self._keys = keys
        self._rate = rate

    async def take(self, principal: str) -> None:
        async with storage():
            key, rate = self._keys.rate(principal), self._rate
            wait = await self._take([key], [rate.interval, rate.period])
        refuse(wait)
