"""What Redis does for the queue of runs in one step each.

A run that waits has the lease `queued`. Its `job` is a hash: the order, how often a worker
has taken it, whether it may begin anew in mid-answer (`restart`), and, while it waits, its
`entry` in the queue, which has the `names` of all that belongs to the run.
"""

from stream.redis_scripts import NOW, SAY

_WAIT = """
redis.call('SET', lease, 'queued', 'PX', waiting)
redis.call('SET', thread, id, 'PX', waiting * 2)
redis.call('ZADD', running, now + waiting, id)
for _, key in ipairs({run, log, job}) do redis.call('PEXPIRE', key, ttl + waiting) end
local names = cjson.encode({id, run, log, lease, thread, running, job})
redis.call('HSET', job, 'entry', redis.call('XADD', queue, '*', 'names', names))
"""

HAND_OVER = (
    NOW
    + """
local run, log, lease, thread, running, job, stopping, _, queue = unpack(KEYS)
local id, token, order, restart, ttl, waiting = unpack(ARGV)
if redis.call('HGET', job, 'order') == order then return 1 end
if redis.call('GET', lease) ~= token then return 0 end
redis.call('HSET', job, 'order', order, 'attempts', 0, 'restart', restart)
"""
    + _WAIT
    + "return redis.call('EXISTS', stopping) == 1 and 2 or 1"
)
"""Leave a run to the workers, unless its lease is lost: 2 if somebody wants it to stop.

Done twice it is left once.
"""

TAKE = (
    NOW
    + SAY
    + """
local queue, taken = unpack(KEYS)
local token, lease_ms = unpack(ARGV)
local function hold(names)
    local id, run, log, lease, thread, running, job = unpack(cjson.decode(names))
    local json, holder = redis.call('GET', run), redis.call('GET', lease)
    if not json or holder ~= 'queued' and holder ~= token then return nil end
    if holder == 'queued' then
        redis.call('HINCRBY', job, 'attempts', 1)
        redis.call('HDEL', job, 'entry')
    end
    redis.call('SET', taken, names, 'PX', lease_ms)
    redis.call('SET', lease, token, 'PX', lease_ms)
    redis.call('SET', thread, id, 'PX', lease_ms * 2)
    redis.call('ZADD', running, now + lease_ms, id)
    return {json, redis.call('HGET', job, 'order'), last(log)}
end
local names = redis.call('GET', taken)
local held = names and hold(names)
while not held do
    local entry = redis.call('XRANGE', queue, '-', '+', 'COUNT', 1)[1]
    if not entry then return nil end
    redis.call('XDEL', queue, entry[1])
    held = hold(entry[2][2])
end
return held
"""
)
"""Hold the run that has waited longest: what is known of it, its order, how many events it has.

What no longer waits is passed over. Done twice one run is held: `taken` names it.
"""

PUT_BACK = (
    NOW
    + SAY
    + """
local run, log, lease, thread, running, job, stopping, _, queue = unpack(KEYS)
local id, payload, events, ttl, waiting = unpack(ARGV)
if redis.call('EXISTS', lease) == 1 then return 1 end
if not redis.call('ZSCORE', running, id) then return 1 end
local other = redis.call('GET', thread)
if other and other ~= id then return 0 end
if payload ~= '' then say(log, last(log) + events, payload) end
"""
    + _WAIT
    + "return redis.call('EXISTS', stopping) == 1 and 2 or 1"
)
"""Put a run back whose worker is gone, unless another has its thread by now: 2 as above.

Of all processes that try, one does it.
"""
