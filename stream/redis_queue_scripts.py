"""What Redis does for the queue of runs in one step each.

A run that waits has the lease `queued`. Its `job` is a hash: the order, how often a worker
has taken it, whether it may begin anew in mid-answer (`restart`), and, while it waits, its
`entry` in the queue.
"""

from stream.redis_scripts import NOW

_WAIT = """
redis.call('SET', lease, 'queued', 'PX', waiting)
redis.call('SET', thread, id, 'PX', waiting * 2)
redis.call('ZADD', running, now + waiting, id)
for _, key in ipairs({run, log, job}) do redis.call('PEXPIRE', key, ttl + waiting) end
redis.call('HSET', job, 'entry', redis.call('XADD', queue, '*', 'run', id))
"""

HAND_OVER = (
    NOW
    + """
local run, log, lease, thread, running, job, queue = unpack(KEYS)
local id, token, order, restart, ttl, waiting = unpack(ARGV)
if redis.call('HGET', job, 'order') == order then return 1 end
if redis.call('GET', lease) ~= token then return 0 end
redis.call('HSET', job, 'order', order, 'attempts', 0, 'restart', restart)
"""
    + _WAIT
    + "return 1"
)
"""Leave a run to the workers, unless its lease is lost. Done twice it is left once."""

TAKE = (
    NOW
    + """
local run, log, lease, thread, running, job, queue = unpack(KEYS)
local id, token, lease_ms, group, entry = unpack(ARGV)
redis.call('XACK', queue, group, entry)
redis.call('XDEL', queue, entry)
local holder = redis.call('GET', lease)
if holder ~= 'queued' and holder ~= token then return nil end
if holder == 'queued' then
    redis.call('HINCRBY', job, 'attempts', 1)
    redis.call('HDEL', job, 'entry')
end
redis.call('SET', lease, token, 'PX', lease_ms)
redis.call('SET', thread, id, 'PX', lease_ms * 2)
redis.call('ZADD', running, now + lease_ms, id)
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
return {redis.call('HGET', job, 'order'), last and tonumber(string.match(last[1], '-(%d+)$')) or 0}
"""
)
"""Hold a run that waits: its order, and how many events it has. Done twice it is held once."""

PUT_BACK = (
    NOW
    + """
local run, log, lease, thread, running, job, queue = unpack(KEYS)
local id, payload, events, ttl, waiting = unpack(ARGV)
if redis.call('EXISTS', lease) == 1 then return 1 end
if not redis.call('ZSCORE', running, id) then return 1 end
local other = redis.call('GET', thread)
if other and other ~= id then return 0 end
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
if payload ~= '' then
    local sequence = tonumber(string.match(last[1], '-(%d+)$')) + events
    redis.call('XADD', log, '0-' .. string.format('%.0f', sequence), 'events', payload)
end
"""
    + _WAIT
    + "return 1"
)
"""Put a run back whose worker is gone, unless another has its thread by now.

Of all processes that try, one does it.
"""
