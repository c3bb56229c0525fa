"""One run in progress: an agent that talks, a queue, a log that keeps.

Two tasks. One runs the agent; its callback handler puts events into a bounded
queue, and its own last word, whatever happens, is the event that ends the run.
The other drains the queue into the log. Readers read the log.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from langchain_core.callbacks import BaseCallbackHandler

from agent.documents.embeddings import Embedder
from agent.failures import as_failure
from agent.memory import Exchange, Memory
from agent.own import SETTINGS, Agent, answer_of
from agent.request import RunRequest, exchanges
from callbacks.filters.base import AnswerFilter
from callbacks.filters.stops import StopAt, until_first
from callbacks.handler import QUEUE_SIZE, FinalAnswerHandler, drain
from stream.errors import (
    Internal,
    LastwordError,
    ProducerLost,
    RunTimeout,
    ServerShutdown,
    StorageLost,
    UnreadableReply,
)
from stream.events import Event, RunCancelled, RunCompleted, RunEnded
from stream.log import Run, StreamLog

logger = logging.getLogger("lastword")


@dataclass(frozen=True, slots=True)
class Parts:
    """What every run of a server is made of."""

    agent: Agent
    grammar: Callable[[], AnswerFilter]
    log: StreamLog
    memory: Memory
    timeout: float = 300.0
    callbacks: Sequence[BaseCallbackHandler] = ()
    embedder: Embedder | None = None
    takes: Collection[str] = SETTINGS
    """What of `CallSettings` the agent heeds."""


class Execution:
    """`begin` it once; `stop` it any time; `ended` is set when its readers can know."""

    def __init__(
        self,
        run: Run,
        request: RunRequest,
        parts: Parts,
        on_release: Callable[["Execution", RunEnded], None],
    ) -> None:
        """`on_release` is called when the run is decided, just before its end can be read."""
        self.run = run
        self.ended = asyncio.Event()
        self.end: RunEnded | None = None
        self._request = request
        self._parts = parts
        self._on_release = on_release
        self._queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_SIZE)
        self._stopping = False
        self._let_go = False
        self._stopped_for: LastwordError | None = None
        self._answering: asyncio.Task[None] | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Run in these tasks. Neither of them ever raises."""
        tasks.create_task(self._answer())
        tasks.create_task(self._keep())

    def stop(self, reason: LastwordError | None = None) -> None:
        """End early: as cancelled, or as failed for a reason. Only the first call counts."""
        if self._stopping or self.end:
            return
        self._stopping, self._stopped_for = True, reason
        if self._answering:
            self._answering.cancel()

    def let_go(self) -> None:
        """Somebody else goes on with the run: nothing more of it is said here."""
        self._let_go = True
        self.stop(ServerShutdown())

    async def _answer(self) -> None:
        # A task that is cancelled before its first step would never say its last word,
        # so it is only from here on that `stop` cancels it.
        self._answering = asyncio.current_task()
        handler = FinalAnswerHandler(self._queue, self._grammar())
        self.end = await self._outcome(handler)
        while self._answering and self._answering.cancelling():
            self._answering.uncancel()  # what follows must be done all the same
        cancelled = isinstance(self.end, RunCancelled)
        if not isinstance(self.end, RunCompleted):
            await handler.stop(keep=cancelled)
        if isinstance(self.end, RunCompleted) or (cancelled and handler.answer):
            self.end = await self._remember(handler.answer, self.end)
        self._on_release(self, self.end)
        await self._queue.put(self.end)

    async def _outcome(self, handler: FinalAnswerHandler) -> RunEnded:
        try:
            if not self._stopping:
                await self._invoke(handler)
            if not self._stopping:  # an agent may swallow its cancellation
                cited = handler.sources.cited(handler.answer)
                return RunCompleted(handler.finish_reason, handler.usage, *cited)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001  models and tools raise anything; the run must end
            if not self._stopping:  # else it is what a library makes of being cancelled
                return report(self.run, error).as_event()
        if self._stopped_for:
            return self._stopped_for.as_event()
        return RunCancelled(handler.usage)

    async def _invoke(self, handler: FinalAnswerHandler) -> None:
        deadline = asyncio.timeout(self._parts.timeout)
        try:
            async with deadline:
                await self._finish(handler, self._cut(answer_of(await self._call(handler))))
        except TimeoutError:
            if deadline.expired():
                raise RunTimeout from None
            raise

    def _grammar(self) -> Callable[[], AnswerFilter]:
        if not (stop := self._request.stop):
            return self._parts.grammar
        return lambda: StopAt(self._parts.grammar(), stop)

    def _cut(self, answer: str | None) -> str | None:
        return None if answer is None else until_first(self._request.stop, answer)

    async def _finish(self, handler: FinalAnswerHandler, answer: str | None) -> None:
        await handler.finish(answer)
        if answer is None and not handler.answer:
            raise UnreadableReply

    async def _call(self, handler: FinalAnswerHandler) -> object:
        return await self._parts.agent.ainvoke(
            {"messages": await self._messages()},
            {
                "callbacks": [handler, *self._parts.callbacks],
                # A graph with a checkpointer wants one. The memory is ours: each run is new to it.
                "configurable": {"thread_id": self.run.id},
            },
            context=self._request.settings,
        )

    async def _messages(self) -> list[dict[str, str]]:
        """The conversation as the agent takes it: what came before, and the question."""
        if (given := self._request.history) is not None:
            before = [{"role": role, "content": content} for role, content in given]
        else:
            history = await self._parts.memory.load(self.run.principal, self.run.thread_id)
            before = [message for exchange in history for message in exchange.messages()]
        return [*before, {"role": "user", "content": self.run.question}]

    async def _remember(self, answer: str, end: RunEnded) -> RunEnded:
        if not self._request.is_remembered:
            return end
        exchange = Exchange(self.run.question, answer)
        given = self._request.history
        before = None if given is None else exchanges(given)
        try:
            await self._check_lease()
            await self._parts.memory.add(self.run.principal, self.run.thread_id, exchange, before)
        except Exception as error:  # noqa: BLE001  else the run would never say its end
            return report(self.run, error).as_event()
        return end

    async def _check_lease(self) -> None:
        """Raises `ProducerLost`: another process has the run by now, and perhaps its thread."""
        if not await self._parts.log.holds(self.run.id):
            raise ProducerLost

    async def _keep(self) -> None:
        """Drain the queue into the log, in batches, up to the end."""
        complete = True
        try:
            async for batch in drain(self._queue):
                # The agent must not wait for a log that is gone, so the rest is drained too.
                complete = complete and await self._append(batch)
            if not complete:
                await self._append([StorageLost().as_event()])  # it may be back by now
        finally:
            self.ended.set()

    async def _append(self, batch: list[Event]) -> bool:
        if self._let_go:
            return True
        try:
            await self._parts.log.append(self.run.id, batch)
        except Exception as error:  # noqa: BLE001  else the queue fills, and the run hangs
            report(self.run, error)
            self.stop(StorageLost())
            return False
        return True


def report(run: Run, error: Exception) -> LastwordError:
    """Log a failure without the exception's own text, which may hold keys or what was said."""
    failure = as_failure(error)
    logger.warning("run %s failed: %s (%s)", run.id, failure.code, type(error).__qualname__)
    if isinstance(failure, Internal):
        logger.error("".join(traceback.format_tb(error.__traceback__)))
    return failure
