"""The queue of runs: handed over once, taken by one, put back when its worker dies."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from stream import redis_queue
from stream.errors import NotFound, ProducerLost, RunTimeout, StorageLost
from stream.events import (
    AnswerDelta,
    AnswerRetracted,
    Event,
    RunCancelled,
    RunCompleted,
    RunStarted,
)
from stream.log import Run
from stream.queue import Job
from stream.redis import RedisLog
from tests.redis_server import shared_redis
from tests.stream.logs import RUN, deltas, events
from tests.stream.processes import Processes, followed, processes, until

pytestmark = pytest.mark.anyio
SHORT = 0.3
BEGUN = RunStarted(RUN.id, RUN.thread_id)
NOBODY = RunTimeout("No worker has taken the run.").as_event()
JOB = Job(RUN, '{"any": "text"}')


@pytest.fixture
async def several(anyio_backend: str) -> AsyncIterator[Processes]:
    async with processes(shared_redis().url) as several:
        yield several


async def put(web: RedisLog) -> None:
    await web.create(RUN)
    await web.append(RUN.id, [BEGUN])
    await web.queue.put(JOB)


async def taken(log: RedisLog) -> Job:
    async with asyncio.timeout(20):
        return await log.queue.take()


async def die(several: Processes, log: RedisLog) -> None:
    """Its worker is gone, and its lease has run out."""
    if held := log._leases.held(RUN.id):
        log._leases.drop(held)
    await several.forget_lease()


async def bury(log: RedisLog) -> list[Event]:
    await log._leases._bury()
    return await events(log)


async def test_a_worker_goes_on_where_the_web_process_began(several: Processes) -> None:
    web, worker = await several.open(), await several.open()
    await put(web)
    reader = asyncio.create_task(followed(web))
    assert await taken(worker) == JOB
    with pytest.raises(NotFound):
        await web.append(RUN.id, deltas("x"))
    await worker.append(RUN.id, deltas("ab"))
    await worker.append(RUN.id, [RunCompleted()])
    assert await reader == [BEGUN, *deltas("ab"), RunCompleted()]


async def test_only_one_takes_it(several: Processes) -> None:
    web, *workers = [await several.open() for _ in range(4)]
    taking = [asyncio.create_task(worker.queue.take()) for worker in workers]
    await put(web)
    done, rest = await asyncio.wait(taking, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    assert [task.result() for task in done] == [JOB]
    await web.create(Run("second", "second", RUN.principal, "Ho?"))
    await web.append("second", [RunStarted("second", "second")])
    await web.queue.put(Job(Run("second", "second", RUN.principal, "Ho?"), "{}"))
    done, rest = await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    assert [task.result().run.id for task in done] == ["second"]
    for task in rest:
        task.cancel()
    await asyncio.wait(rest)
    assert await several.redis.xlen(several.keys.queue) == 0


async def test_what_waits_is_not_lost(several: Processes) -> None:
    web = await several.open(lease=SHORT)
    await put(web)
    left = await several.redis.pttl(several.keys.lease(RUN.id))
    assert left > 100 * 1000 * SHORT
    assert await bury(web) == [BEGUN]
    assert await web.running(RUN.principal, RUN.thread_id) == RUN.id


async def test_it_can_be_stopped_before_anybody_took_it(several: Processes) -> None:
    web, worker = await several.open(), await several.open()
    await put(web)
    await worker.stop(RUN.id)
    assert await events(web) == [BEGUN, RunCancelled()]
    assert await web.running(RUN.principal, RUN.thread_id) is None
    taking = asyncio.create_task(worker.queue.take())
    await until(lambda: _is_empty(several))
    taking.cancel()
    await asyncio.wait([taking])
    assert taking.cancelled()


async def test_it_can_be_stopped_just_before_it_waits(several: Processes) -> None:
    web, other = await several.open(), await several.open()
    await web.create(RUN)
    await web.append(RUN.id, [BEGUN])
    await other.stop(RUN.id)
    await web.queue.put(JOB)
    assert await events(web) == [BEGUN, RunCancelled()]
    assert await _is_empty(several)


async def test_or_just_before_it_waits_again(several: Processes) -> None:
    web, dying = await several.open(), await several.open()
    await put(web)
    await taken(dying)
    await die(several, dying)
    await web.stop(RUN.id)
    assert await web.queue._is_put_back(RUN, [])
    assert await events(web) == [BEGUN, RunCancelled()]
    assert await _is_empty(several)


async def test_one_that_is_damaged_keeps_no_other_from_its_end(several: Processes) -> None:
    web, dying = await several.open(), await several.open()
    await put(web)
    await several.redis.lpush(several.keys.run("damaged"), "x")
    await several.redis.zadd(several.keys.running, {"damaged": 0})
    await taken(dying)
    await dying.append(RUN.id, deltas("a"))
    await die(several, dying)
    assert await bury(web) == [BEGUN, *deltas("a"), ProducerLost().as_event()]


async def test_what_cannot_be_understood_stops_no_task(
    several: Processes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stream.redis.PAUSE", 0.01)
    web, dying = await several.open(lease=SHORT), await several.open()
    await put(web)
    await taken(dying)
    await several.redis.hset(several.keys.job(RUN.id), "attempts", "x")
    await die(several, dying)
    await until(lambda: "The log on Redis: Leases.bury goes on." in caplog.messages)
    await several.redis.hset(several.keys.job(RUN.id), "attempts", redis_queue.ATTEMPTS)
    await until(lambda: _has_ended(web))


async def _has_ended(log: RedisLog) -> bool:
    return (await log.last(RUN.id)).event == ProducerLost().as_event()


async def _is_empty(several: Processes) -> bool:
    return await several.redis.xlen(several.keys.queue) == 0


async def test_whoever_is_stopped_before_it_holds_the_run_learns_of_it(several: Processes) -> None:
    web, worker = await several.open(), await several.open(lease=SHORT)
    told: list[object] = []
    worker.on_stop(lambda *stopped: told.append(stopped))
    await put(web)
    job = await taken(worker)
    held = worker._leases.held(job.run.id)
    assert held
    worker._leases.drop(held)
    await web.stop(RUN.id)
    await worker.create(Run("second", "second", RUN.principal, "Ho?"))
    await web.stop("second")
    await until(lambda: told)
    assert set(told) == {("second", None)}, "the first signal has come, and meant nobody"
    worker._leases.hold(held)
    await until(lambda: (RUN.id, None) in told)


async def test_before_its_first_word_another_takes_over(several: Processes) -> None:
    web, dying, other = [await several.open() for _ in range(3)]
    await put(web)
    await taken(dying)
    await dying.append(RUN.id, [AnswerDelta("perhaps", certain=False)])
    await die(several, dying)
    assert await bury(web) == [BEGUN, AnswerDelta("perhaps", certain=False), AnswerRetracted()]
    assert await taken(other) == JOB
    await other.append(RUN.id, [*deltas("a"), RunCompleted()])
    assert (await events(web))[-2:] == [*deltas("a"), RunCompleted()]


async def test_of_many_that_try_one_puts_it_back(several: Processes) -> None:
    web, dying, *others = [await several.open() for _ in range(5)]
    await put(web)
    await taken(dying)
    await dying.append(RUN.id, [AnswerDelta("perhaps", certain=False)])
    await die(several, dying)
    await asyncio.gather(*(log._leases._bury() for log in [web, *others] * 3))
    said = await events(web)
    assert said.count(AnswerRetracted()) == 1
    assert await several.redis.xlen(several.keys.queue) == 1


async def test_after_its_first_word_it_is_lost(several: Processes) -> None:
    web, dying = await several.open(), await several.open()
    await put(web)
    await taken(dying)
    await dying.append(RUN.id, deltas("a"))
    await die(several, dying)
    assert await bury(web) == [BEGUN, *deltas("a"), ProducerLost().as_event()]


async def test_or_begins_anew_where_who_put_it_meant_that(several: Processes) -> None:
    web = await several.open(restart=True)
    dying, finder = await several.open(), await several.open()
    await put(web)
    await taken(dying)
    await dying.append(RUN.id, deltas("a"))
    await die(several, dying)
    assert await bury(finder) == [BEGUN, *deltas("a"), AnswerRetracted(certain=True)]
    assert await taken(dying) == JOB


async def test_a_run_that_brings_down_its_workers_ends(several: Processes) -> None:
    web, dying = await several.open(), await several.open()
    await put(web)
    for _ in range(redis_queue.ATTEMPTS):
        assert await bury(web) == [BEGUN]
        await taken(dying)
        await die(several, dying)
    assert await bury(web) == [BEGUN, ProducerLost().as_event()]


async def test_a_run_that_nobody_takes_ends(several: Processes) -> None:
    web = await several.open()
    await put(web)
    await die(several, web)
    assert await bury(web) == [BEGUN, NOBODY]
    assert await _is_empty(several)


async def test_a_run_that_was_trimmed_cannot_begin_anew(several: Processes) -> None:
    web, dying = await several.open(), await several.open()
    await put(web)
    await taken(dying)
    await dying.append(RUN.id, [AnswerDelta("perhaps", certain=False)])
    await several.redis.xtrim(several.keys.log(RUN.id), maxlen=1, approximate=False)
    await die(several, dying)
    await web._leases._bury()
    assert (await web.last(RUN.id)).event == ProducerLost().as_event()


async def test_a_run_that_was_put_back_waits_no_longer_than_another(several: Processes) -> None:
    web, dying = await several.open(), await several.open()
    await put(web)
    await taken(dying)
    await die(several, dying)
    assert await bury(web) == [BEGUN]
    await several.forget_lease()
    assert await bury(web) == [BEGUN, NOBODY]


async def test_a_run_whose_thread_another_has_is_lost(several: Processes) -> None:
    web, dying = await several.open(), await several.open()
    await put(web)
    await taken(dying)
    await die(several, dying)
    await several.redis.delete(several.keys.thread(RUN.principal, RUN.thread_id))
    second = Run("second", RUN.thread_id, RUN.principal, "Again?")
    await web.create(second)
    assert await bury(web) == [BEGUN, ProducerLost().as_event()]
    assert await web.running(RUN.principal, RUN.thread_id) == "second"


async def test_a_run_that_somebody_wants_to_stop_is_not_begun_anew(several: Processes) -> None:
    web, dying = await several.open(), await several.open()
    await put(web)
    await taken(dying)
    await die(several, dying)
    await web.stop(RUN.id)
    assert await bury(web) == [BEGUN, RunCancelled()]


async def test_nothing_is_left_of_a_job_that_has_ended(several: Processes) -> None:
    web, worker = await several.open(), await several.open()
    await put(web)
    assert await several.redis.exists(several.keys.job(RUN.id))
    await taken(worker)
    await worker.append(RUN.id, [RunCompleted()])
    assert not await several.redis.exists(several.keys.job(RUN.id))


async def test_a_worker_that_takes_its_own_lost_run_holds_it_anew(several: Processes) -> None:
    web, worker = await several.open(), await several.open()
    await put(web)
    await taken(worker)
    old = worker._leases.held(RUN.id)
    assert old
    await several.forget_lease()
    assert await bury(web) == [BEGUN]
    await taken(worker)
    worker._leases.drop(old)
    await worker.append(RUN.id, [RunCompleted()])
    assert await events(web) == [BEGUN, RunCompleted()]


async def test_who_goes_gives_it_back(several: Processes) -> None:
    web, going, other = await several.open(lease=SHORT), await several.open(), await several.open()
    await put(web)
    await taken(going)
    await going.queue.give_back(RUN.id)
    await going.queue.give_back(RUN.id)
    with pytest.raises(NotFound):
        await going.append(RUN.id, deltas("x"))
    for _ in range(redis_queue.ATTEMPTS):
        assert await taken(other) == JOB
        await other.queue.give_back(RUN.id)  # it is no death, however often
    assert await taken(going) == JOB


async def test_whose_lease_was_lost_gives_nothing_back(several: Processes) -> None:
    web, going = await several.open(), await several.open()
    await put(web)
    await taken(going)
    await several.redis.set(several.keys.lease(RUN.id), "another's")
    await going.queue.give_back(RUN.id)
    assert await several.redis.get(several.keys.lease(RUN.id)) == "another's"


async def test_taking_it_twice_is_taking_it_once(several: Processes) -> None:
    """As where Redis did it, and its answer was lost."""
    web, worker = await several.open(), await several.open()
    await put(web)
    first = await worker.queue._taken("token")
    assert await worker.queue._taken("token") == first
    assert await several.redis.hget(several.keys.job(RUN.id), "attempts") == "1"


async def test_a_run_of_a_version_that_knows_more_is_anothers_to_take(several: Processes) -> None:
    web, old, new = await several.open(), await several.open(lease=SHORT), await several.open()
    await put(web)
    known = await several.redis.get(several.keys.run(RUN.id))
    await several.redis.set(several.keys.run(RUN.id), '{"more": 1}')
    taking = asyncio.create_task(old.queue.take())
    await until(lambda: _is_empty(several))
    taking.cancel()
    await asyncio.wait([taking])
    await several.redis.set(several.keys.run(RUN.id), known)
    await several.forget_lease()
    await bury(web)
    assert await taken(new) == JOB


async def test_a_run_that_is_no_longer_kept_is_passed_over(several: Processes) -> None:
    web, worker = await several.open(), await several.open()
    await put(web)
    await several.redis.delete(several.keys.run(RUN.id))
    taking = asyncio.create_task(worker.queue.take())
    await until(lambda: _is_empty(several))
    taking.cancel()
    await asyncio.wait([taking])


async def test_a_run_that_another_holds_is_passed_over(several: Processes) -> None:
    web, worker, other = [await several.open() for _ in range(3)]
    await put(web)
    await taken(worker)
    names = json.dumps([RUN.id, *several.keys.of(RUN)])
    await several.redis.xadd(several.keys.queue, {"names": names})
    taking = asyncio.create_task(other.queue.take())
    await until(lambda: _is_empty(several))
    taking.cancel()
    await asyncio.wait([taking])
    assert not other._leases.held(RUN.id)


async def test_what_is_not_held_cannot_be_left(several: Processes) -> None:
    web = await several.open()
    with pytest.raises(NotFound):
        await web.queue.put(JOB)
    await web.create(RUN)
    await several.forget_lease()
    with pytest.raises(StorageLost):
        await web.queue.put(JOB)
    assert not web._leases.held(RUN.id)


async def test_leaving_it_twice_is_leaving_it_once(several: Processes) -> None:
    web = await several.open()
    await web.create(RUN)
    held = web._leases.held(RUN.id)
    assert held
    await web.queue.put(JOB)
    web._leases.hold(held)
    await web.queue.put(JOB)
    assert await several.redis.xlen(several.keys.queue) == 1


async def test_stopping_what_never_was_is_no_error(several: Processes) -> None:
    web = await several.open()
    await web.stop("nobody")
    assert not await several.redis.exists(several.keys.signals)
