"""The runner: starts runs, lets them be followed, cancels them. The only object `wire` sees.

Policy lives here and nowhere else: who may see what, how many runs there may be, how often, one
run at a time on a thread, what happens when the last reader leaves.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Self, TypeAlias

from agent.audience import Audiences
from agent.execution import Execution, Parts
from agent.failures import as_failure
from agent.memory import Exchange
from agent.metrics import Metrics
from agent.policy import Policy
from agent.request import OnConflict, OnDisconnect, RunRequest, dump_request, load_request
from agent.spawned import to_its_end
from stream.errors import (
    BadRequest,
    Busy,
    Conflict,
    LastwordError,
    NotFound,
    ServerShutdown,
    StorageLost,
)
from stream.events import RunEnded, RunStarted
from stream.log import START, Cursor, Entry, Run, follow, is_over
from stream.queue import Job, RunQueue
from stream.transcript import Transcript
from stream.waiting import Waiting

Thread: TypeAlias = tuple[str, str]
"""Whose, and which."""
LAST_LOOK = 1.0
"""Seconds that readers have to leave when the server ends."""


class Runner:
    """Use as an async context manager: leaving it ends what still runs."""

    def __init__(
        self, parts: Parts, policy: Policy | None = None, queue: RunQueue | None = None
    ) -> None:
        """With a queue, runs are left in it, and performed only where `take_on` is told of one."""
        self._parts = parts
        self._policy = policy or Policy()
        self.queue = queue
        self._threads: dict[Thread, Execution] = {}
        self._executions: dict[str, Execution] = {}
        self._tasks = asyncio.TaskGroup()
        self._audiences = Audiences(parts.log, self._stop, self._spawn)
        self._embedding = 0
        self._closing = False
        self._deadline: asyncio.TimerHandle | None = None
        self._released = False
        self._followers = 0
        self._leaving = Waiting()
        rate = self._policy.rate
        self._rate_limit = parts.log.rate_limit(rate) if rate else None
        self.metrics = Metrics()
        parts.log.on_stop(self._stop)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all runs, and wait until their readers can know."""
        self.end_all()
        for run_id in list(self._audiences):
            self._audiences.forget(run_id)
        await self._tasks.__aexit__(None, None, None)
        await self._until_left()

    async def _until_left(self) -> None:
        """Readers look into the log once more, which closes after this."""
        clock = asyncio.get_running_loop().time
        until = clock() + LAST_LOOK
        while self._followers and (left := until - clock()) > 0:
            await self._leaving.wait(left)

    def shut_down(self) -> None:
        """Take no more runs. Those in progress may end in the time that the policy gives them."""
        if self._closing:
            return
        self._closing = True
        if self._policy.drain:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._policy.drain, self.end_all)
        else:
            self.end_all()

    async def drained(self) -> None:
        """Wait for the runs in progress."""
        for execution in list(self._executions.values()):
            await execution.ended.wait()

    def end_all(self) -> None:
        """What runs here fails with `server_shutdown`, or is left to other workers.

        Who follows a run of another process is told to go on elsewhere.
        """
        self._closing = True
        if self._deadline:
            self._deadline.cancel()
        for execution in list(self._threads.values()):
            if self.queue:
                self._spawn(self._give_back(self.queue, execution))
            else:
                execution.stop(ServerShutdown())
        self._released = True
        self._parts.log.release()

    async def _give_back(self, queue: RunQueue, execution: Execution) -> None:
        execution.let_go()
        with suppress(StorageLost):  # then its lease expires by itself
            await queue.give_back(execution.run.id)

    @property
    def models(self) -> list[str]:
        """That a request may name, the usual one first; none if its agent decides."""
        return list(dict.fromkeys(self._policy.models)) if "model" in self._parts.takes else []

    @property
    def has_documents(self) -> bool:
        return self._policy.documents

    @property
    def embeddings(self) -> str | None:
        """The name of the model that `embed` asks, if there is one."""
        return self._parts.embedder.name if self._parts.embedder else None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text.

        Raises `NotFound` without a model, `Busy`, and what a run fails with.
        """
        if self._parts.embedder is None:
            raise NotFound("This server has no embedding model.")
        if self._embedding >= self._policy.max_runs:
            raise Busy(retry_after=1)
        self._embedding += 1
        try:
            return await self._parts.embedder.documents(texts)
        except Exception as error:
            raise as_failure(error) from error
        finally:
            self._embedding -= 1

    @property
    def ready(self) -> bool:
        return not self._closing and self._parts.log.ready

    async def start(self, request: RunRequest, *, principal: str) -> Run:
        """Start a run. Raises `BadRequest`, `RateLimited`, `Conflict`, `Busy`, `ServerShutdown`."""
        request = self._checked(request)
        if self._rate_limit:
            await self._rate_limit.take(principal)
        thread = (principal, request.thread_id or secrets.token_hex(16))
        await self._make_room(thread, request.on_conflict)
        if self._closing:
            raise ServerShutdown
        if len(self._threads) >= self._policy.max_runs:
            raise Busy(retry_after=1)
        model = request.settings.model or self._policy.model
        run = Run(secrets.token_hex(16), thread[1], principal, request.text, model)
        # Whoever asks may leave in the middle. What was begun must not be left half done.
        if self.queue:
            await to_its_end(self._spawn, self._leave_to_workers(self.queue, run, request))
        else:
            execution = Execution(run, request, self._parts, self._release)
            self._threads[thread] = execution  # before the first await: the place is taken
            await to_its_end(self._spawn, self._perform(execution, request))
        return run

    async def _leave_to_workers(self, queue: RunQueue, run: Run, request: RunRequest) -> None:
        await self._open(run, request.on_conflict)
        await queue.put(Job(run, dump_request(request)))
        if (patience := self._patience(request)) != "continue":  # else their leaving means nothing
            self._audiences.expect(run.id, patience)

    async def _perform(self, execution: Execution, request: RunRequest) -> None:
        run = execution.run
        try:
            await self._open(run, request.on_conflict)
        except BaseException:
            del self._threads[run.principal, run.thread_id]
            execution.ended.set()  # somebody may be waiting for the thread
            raise
        self._begin(execution, request)

    async def take_on(self, job: Job) -> Execution:
        """Perform a run that came from the queue. Raises `StorageLost` if it cannot be read."""
        if lost := self._executions.get(job.run.id):  # by this very process, and now it is back
            lost.let_go()
            await lost.ended.wait()
        request = load_request(job.order)
        execution = Execution(job.run, request, self._parts, self._release)
        self._threads[job.run.principal, job.run.thread_id] = execution
        self._begin(execution, request)
        return execution

    def _begin(self, execution: Execution, request: RunRequest) -> None:
        self.metrics.started()
        self._audiences.expect(execution.run.id, self._patience(request))
        self._executions[execution.run.id] = execution
        execution.begin(self._tasks)
        self._spawn(self._until_ended(execution))

    async def _until_ended(self, execution: Execution) -> None:
        await execution.ended.wait()
        del self._executions[execution.run.id]

    def _checked(self, request: RunRequest) -> RunRequest:
        settings = request.settings.only(self._parts.takes)
        if settings.model is not None and settings.model not in self._policy.models:
            raise BadRequest("is not a model of this server", field="model")
        for name in settings.given():
            if name not in self._parts.takes:
                raise BadRequest("is decided by this server's agent", field=name)
        return replace(request, settings=settings)

    def _patience(self, request: RunRequest) -> OnDisconnect:
        asked = request.on_disconnect
        return self._policy.on_disconnect if asked is None else asked

    async def follow(
        self, run_id: str, after: Cursor = START, *, principal: str
    ) -> AsyncGenerator[list[Entry], None]:
        """Batches of entries up to the run's end; an empty one is a heartbeat.

        Close the iterator to leave: the run's policy on disconnect follows from it.
        Raises `NotFound`, for another's run too. Raises `ServerShutdown` where this process
        ends before the run does, which goes on in another.
        """
        await self.find(run_id, principal=principal)
        if audience := self._audiences.get(run_id):
            audience.join()
        self._followers += 1
        try:
            async for batch in follow(self._parts.log, run_id, after, self._policy.heartbeat):
                if batch:
                    after = batch[-1].cursor
                elif self._released:
                    await self._end_here(run_id, after)
                yield batch
            if run_id not in self._executions:
                self._audiences.forget(run_id)
        finally:
            self._followers -= 1
            self._leaving.wake()
            if audience:
                audience.leave()

    async def _end_here(self, run_id: str, after: Cursor) -> None:
        """Wait for the end of a run of this process. Raises `ServerShutdown` for another's.

        It may have ended just now: then there is more after this cursor.
        """
        if execution := self._executions.get(run_id):
            await execution.ended.wait()
        elif not await self._parts.log.read(run_id, after, 0):
            raise ServerShutdown

    async def is_over(self, run_id: str, after: Cursor, *, principal: str) -> bool:
        """Whether nothing comes after this cursor. Raises `NotFound`, `BadRequest`."""
        await self.find(run_id, principal=principal)
        return await is_over(self._parts.log, run_id, after)

    async def find(self, run_id: str, *, principal: str) -> Run:
        """The run. Raises `NotFound`, for another's run too."""
        run = await self._parts.log.find(run_id)
        if run is None or run.principal != principal:
            raise NotFound("There is no such run, or it is no longer kept.")
        return run

    async def transcript(self, run_id: str, *, principal: str) -> Transcript:
        """What the run has said so far. Raises `NotFound`."""
        await self.find(run_id, principal=principal)
        transcript, after = Transcript(), START
        while batch := await self._parts.log.read(run_id, after, 0):
            transcript.read(batch)
            after = batch[-1].cursor
        return transcript

    async def current(self, thread_id: str, *, principal: str) -> str | None:
        """The id of the run that is in progress on a thread, if there is one."""
        if here := self._threads.get((principal, thread_id)):
            return here.run.id
        return await self._parts.log.running(principal, thread_id)

    async def cancel(self, run_id: str, *, principal: str) -> None:
        """Stop a run and wait for its end. One that has ended is left as it is."""
        await self.find(run_id, principal=principal)
        if not self._stop(run_id):
            await self._parts.log.stop(run_id)
        try:
            after = (await self._parts.log.last(run_id)).cursor
        except NotFound:  # it is just being opened, perhaps in another process
            after = START
        async for _ in follow(self._parts.log, run_id, after, self._policy.heartbeat):
            pass

    async def conversation(self, thread_id: str, *, principal: str) -> list[Exchange]:
        """What the thread remembers, oldest first. Raises `StorageLost`."""
        return await self._parts.memory.load(principal, thread_id)

    async def forget(self, thread_id: str, *, principal: str) -> None:
        """Forget a thread. Raises `Conflict` while a run is on it."""
        thread = (principal, thread_id)
        if thread in self._threads or await self._parts.log.running(*thread):
            raise Conflict
        await self._parts.memory.forget(principal, thread_id)

    async def _open(self, run: Run, on_conflict: OnConflict) -> None:
        log = self._parts.log
        while True:
            try:
                await log.create(run, self._policy.max_runs)
                break
            except Conflict:
                if on_conflict == "reject":
                    raise
                await self._interrupt(run)
        await log.append(run.id, [RunStarted(run.id, run.thread_id)])
        if self._closing:  # in the meantime; nobody knows of this run yet
            await log.append(run.id, [ServerShutdown().as_event()])
            raise ServerShutdown

    async def _interrupt(self, run: Run) -> None:
        """Stop the run of another process that has this run's thread."""
        if other := await self._parts.log.running(run.principal, run.thread_id):
            await self.cancel(other, principal=run.principal)

    async def _make_room(self, thread: Thread, on_conflict: OnConflict) -> None:
        while other := self._threads.get(thread):
            if on_conflict == "reject":
                raise Conflict
            other.stop()
            await other.ended.wait()

    def _stop(self, run_id: str, reason: LastwordError | None = None) -> bool:
        """Returns whether the run is one of this process."""
        if execution := self._executions.get(run_id):
            execution.stop(reason)
            return True
        return False

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.create_task(work)

    def _release(self, execution: Execution, end: RunEnded) -> None:
        """The run no longer counts: its thread is free before anyone can read its end."""
        run = execution.run
        thread = (run.principal, run.thread_id)
        if self._threads.get(thread) is execution:  # a lost run's thread may be another's by now
            del self._threads[thread]
        self._audiences.forget(run.id)
        self.metrics.ended(end)
