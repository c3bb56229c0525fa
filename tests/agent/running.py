"""A runner on a scripted model and a real database, and what its runs say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from blockbuster import blockbuster_ctx
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agent.build import build_agent
from agent.execution import Parts
from agent.memory import Memory
from agent.policy import Policy
from agent.request import RunRequest
from agent.runner import Runner
from callbacks.filters.json_chat import JsonChatFilter
from stream.events import AnswerDelta, Event, RunStarted
from stream.log import START, Cursor, Run, StreamLog, is_end
from stream.memory import MemoryLog
from tests.agent.models import model_on
from tests.upstream import Upstream

ME = "me"


class Ran(Runner):
    """A runner with the parts that tests look into."""

    log: StreamLog
    memory: Memory

    async def ask(self, text: str = "Hi", principal: str = ME, **options: Any) -> Run:
        return await self.start(RunRequest(text, **options), principal=principal)

    async def events(self, run: Run, after: Cursor = START) -> list[Event]:
        """All events of a run up to its end, which are as every run's must be."""
        batches = [b async for b in self.follow(run.id, after, principal=run.principal)]
        events = [entry.event for batch in batches for entry in batch]
        if after == START:
            assert events[0] == RunStarted(run.id, run.thread_id)
            assert sum(isinstance(event, RunStarted) for event in events) == 1
        assert [is_end(event) for event in events] == [False] * (len(events) - 1) + [True]
        return events

    async def end(self, run: Run) -> Event:
        return (await self.events(run))[-1]

    async def said(self, run: Run) -> list[Event]:
        """All events so far."""
        return [entry.event for entry in await self.log.read(run.id, START, 0)]

    @property
    def active(self) -> int:
        return len(self._threads)


async def until(condition: Callable[[], Any]) -> None:
    """Give the others their turns until something holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  nothing signals what tests wait for
            await asyncio.sleep(0)


def tasks() -> "set[asyncio.Task[Any]]":
    """All tasks but pytest's own."""
    return {
        task
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task()
        and not task.get_coro().__qualname__.startswith("TestRunner.")
    }


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, AnswerDelta))


@asynccontextmanager
async def running(
    upstream: Upstream,
    path: Path,
    *,
    log: StreamLog | None = None,
    grammar: Callable[[], Any] = JsonChatFilter,
    tools: Sequence[Any] | None = None,
    timeout: float = 60.0,
    callbacks: Sequence[Any] = (),
    **policy: Any,
) -> AsyncIterator[Ran]:
    """A runner; nothing in it may block the event loop, and nothing of it is left behind."""
    before = tasks()
    database = str(path / "memory.sqlite")
    async with model_on(upstream) as model, AsyncSqliteSaver.from_conn_string(database) as saver:
        await saver.setup()
        given = {} if tools is None else {"tools": tools}
        agent = build_agent(model, protocol="json_chat", **given)
        memory = Memory(saver)
        parts = Parts(agent, grammar, log or MemoryLog(), memory, timeout, callbacks)
        runner = Ran(parts, Policy(**policy))
        runner.log, runner.memory = parts.log, memory
        with blockbuster_ctx():
            async with runner:
                yield runner
            assert runner.active == 0
            assert runner._audiences == {}
            assert tasks() <= before, tasks() - before
