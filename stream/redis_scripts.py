"""What Redis does for us in one step each, so that no other process comes between.

Keys of a run: `run` (what is known of it), `log` (the stream), `lease` (who produces it,
for how long), `thread` (which run has the thread; it lasts longer than the lease, so that
nobody comes between a dead producer's run and its next worker), `job` (what a worker must know).
`running` is one sorted set for all runs in progress, by when their leases end, in
milliseconds.
"""

from typing import NamedTuple

from stream.log import Run


class Keys(NamedTuple):
    """The names of everything."""

    prefix: str

    def run(self, run_id: str) -> str:
        return f"{self.prefix}:run:{run_id}"

    def log(self, run_id: str) -> str:
        return f"{self.prefix}:log:{run_id}"

    def lease(self, run_id: str) -> str:
        return f"{self.prefix}:lease:{run_id}"

    def followed(self, run_id: str) -> str:
        return f"{self.prefix}:followed:{run_id}"

    def thread(self, principal: str, thread_id: str) -> str:
        return f"{self.prefix}:thread:{principal}/{thread_id}"

    def of(self, run: Run) -> list[str]:
        """What a script about a run is given."""
        thread = self.thread(run.principal, run.thread_id)
        own = [self.run(run.id), self.log(run.id), self.lease(run.id)]
        return [*own, thread, self.running, self.job(run.id)]

    def to_stop(self, run: Run) -> list[str]:
        """What a script is given that must know who wants the run to stop."""
        return [*self.of(run), self.stopping(run.id), self.signals, self.queue]

    def job(self, run_id: str) -> str:
        return f"{self.prefix}:job:{run_id}"

    def stopping(self, run_id: str) -> str:
        return f"{self.prefix}:stopping:{run_id}"

    def taken(self, token: str) -> str:
        return f"{self.prefix}:taken:{token}"

    def rate(self, principal: str) -> str:
        return f"{self.prefix}:rate:{principal}"

    @property
    def running(self) -> str:
        return f"{self.prefix}:running"

    @property
    def queue(self) -> str:
        return f"{self.prefix}:queue"

    @property
    def signals(self) -> str:
        return f"{self.prefix}:stop"


NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

CREATE = (
    NOW
    + """
local run, _, lease, thread, running = unpack(KEYS)
local id, token, json, ttl, lease_ms, max_runs = unpack(ARGV)
local other = redis.call('GET', thread)
if other == id then return 'created' end
if other then return 'conflict' end
if redis.call('ZCOUNT', running, now, '+inf') >= tonumber(max_runs) then return 'busy' end
redis.call('SET', run, json, 'PX', ttl)
redis.call('SET', lease, token, 'PX', lease_ms)
redis.call('SET', thread, id, 'PX', lease_ms * 2)
redis.call('ZADD', running, now + lease_ms, id)
return 'created'
"""
)
"""Open a run, if its thread is free and there are not too many. Done twice it is one."""

SAY = """
local function last(log)
    local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
    return newest and tonumber(string.match(newest[1], '-(%d+)$')) or 0
end
local function say(log, number, payload)
    number = string.format('%.0f', number)
    redis.call('XADD', log, '0-' .. number, 'events', payload)
    redis.call('PUBLISH', log, number .. ' ' .. payload)
end
"""
"""Add an entry to a log, and tell those who follow it. The channel has the stream's name."""

APPEND = (
    SAY
    + """
local ttl, max_entries = unpack(ARGV)
local function append(k, a)
    local run, log, lease, thread, running, job = unpack(KEYS, k, k + 5)
    local id, token, number, payload, ends = unpack(ARGV, a, a + 4)
    if redis.call('EXISTS', run) == 0 then
        redis.call('PUBLISH', log, '') -- whoever follows looks for itself
        return 'unknown'
    end
    if redis.call('GET', lease) ~= token then
        local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
        local again = newest and newest[1] == '0-' .. number and newest[2][2] == payload
        return again and 'added' or 'lost'
    end
    if last(log) < tonumber(number) then say(log, number, payload) end
    redis.call('XTRIM', log, 'MAXLEN', '~', max_entries)
    redis.call('PEXPIRE', log, ttl)
    redis.call('PEXPIRE', run, ttl)
    if ends == '1' then
        redis.call('DEL', lease, job)
        if redis.call('GET', thread) == id then redis.call('DEL', thread) end
        redis.call('ZREM', running, id)
    end
    return 'added'
end
local outcomes = {}
for n = 0, #KEYS / 6 - 1 do
    local done, outcome = pcall(append, 6 * n + 1, 5 * n + 3)
    outcomes[n + 1] = done and outcome or 'refused'
end
return outcomes
"""
)
"""Add an entry to each of several runs, unless its lease is lost.

Done twice it adds nothing: the entries' numbers are given. The second time a lease may be gone,
because the entry was the run's end. What is wrong with one run is nothing to the others.
"""

RENEW = (
    NOW
    + """
local run, log, lease, thread, running, job, stopping = unpack(KEYS)
local id, token, lease_ms, ttl = unpack(ARGV)
if redis.call('GET', lease) ~= token then return 0 end
redis.call('PEXPIRE', lease, lease_ms)
redis.call('PEXPIRE', thread, lease_ms * 2)
redis.call('PEXPIRE', run, ttl)
redis.call('PEXPIRE', log, ttl)
redis.call('ZADD', running, 'XX', now + lease_ms, id)
return redis.call('EXISTS', stopping) == 1 and 2 or 1
"""
)
"""Keep the lease of a run that is still being produced: 2 if somebody wants it to stop."""

STOP = (
    SAY
    + """
local run, log, lease, thread, running, job, stopping, signals, queue = unpack(KEYS)
local id, payload, ttl = unpack(ARGV)
if redis.call('GET', lease) ~= 'queued' then
    redis.call('PUBLISH', signals, id) -- first, for a Redis that is full
    redis.call('SET', stopping, 1, 'PX', ttl)
    return 0
end
local queued = redis.call('HGET', job, 'entry')
if queued then redis.call('XDEL', queue, queued) end
redis.call('DEL', lease, job)
if redis.call('GET', thread) == id then redis.call('DEL', thread) end
redis.call('ZREM', running, id)
say(log, last(log) + 1, payload)
redis.call('PEXPIRE', log, ttl)
redis.call('PEXPIRE', run, ttl)
return 1
"""
)
"""Tell whoever produces a run to stop. One that nobody has taken yet ends here and now."""

LET_GO = """
local run, log, lease, thread, running, job = unpack(KEYS)
local id, token, attempts = unpack(ARGV)
if redis.call('GET', lease) ~= token then return 0 end
redis.call('DEL', lease)
redis.call('ZADD', running, 'XX', 0, id)
if redis.call('EXISTS', job) == 1 then redis.call('HINCRBY', job, 'attempts', attempts) end
return 1
"""
"""Give up the lease of a run that has not ended: it is overdue from now on."""

MARK = (
    NOW
    + """
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
)
"""Somebody in this process reads the run, for so many milliseconds."""

FOLLOWED = (
    NOW
    + """
for _, process in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do
    if process ~= ARGV[1] then return 1 end
end
return 0
"""
)
"""Whether somebody reads the run in another process."""

OVERDUE = (
    NOW
    + """
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)
"""
)
"""Runs whose producer has not renewed their leases."""

END_LOST = (
    SAY
    + """
local run, log, lease, thread, running, job, _, _, queue = unpack(KEYS)
local id, payload, whole, ttl = unpack(ARGV)
if redis.call('EXISTS', lease) == 1 then return 0 end
if redis.call('ZREM', running, id) == 0 then return 0 end
local queued = redis.call('HGET', job, 'entry')
if queued then redis.call('XDEL', queue, queued) end
redis.call('DEL', job)
if redis.call('GET', thread) == id then redis.call('DEL', thread) end
local said = last(log)
if said == 0 then said, payload = 1, whole end
say(log, said + 1, payload)
redis.call('PEXPIRE', log, ttl)
redis.call('PEXPIRE', run, ttl)
return 1
"""
)
"""End a run whose producer is gone. Of all processes that try, one does it.

One that said nothing yet gets the `whole` of two events.
"""
