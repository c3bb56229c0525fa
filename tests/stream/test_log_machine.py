"""Any order of calls, against a plain list."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stream.events import AnswerDelta, Event
from stream.log import START, Cursor, Entry
from tests.stream.logs import LOGS, RUN, replay

EVENTS = st.lists(st.builds(AnswerDelta, st.text(max_size=3)), min_size=1, max_size=5)


class LogMachine(RuleBasedStateMachine):
    """Appends, reads at any cursor, readers that wait; the list is what must come of it."""

    log_name = ""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.opened = LOGS[self.log_name]()
        self.log = self.run(self.opened.__aenter__())
        self.run(self.log.create(RUN))
        self.said: list[Event] = []
        self.cursors: list[Cursor] = [START]
        self.readers: list[tuple[int, asyncio.Task[list[Entry]]]] = []

    def run(self, coroutine):
        return self.loop.run(coroutine)

    @rule(events=EVENTS)
    def append(self, events: list[Event]) -> None:
        self.run(self.log.append(RUN.id, events))
        self.said += events
        fresh = self.run(replay(self.log, self.cursors[-1]))
        assert [entry.event for entry in fresh] == events
        self.cursors += [entry.cursor for entry in fresh]

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.said)))
        self._check(place, self.run(self.log.read(RUN.id, self.cursors[place], 0)))

    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.said)))

        async def start() -> asyncio.Task[list[Entry]]:
            task = asyncio.ensure_future(self.log.read(RUN.id, self.cursors[place], 60))
            await asyncio.sleep(0)
            return task

        self.readers.append((place, self.run(start())))

    @rule(data=st.data())
    @precondition(lambda self: self.readers)
    def give_up(self, data: st.DataObject) -> None:
        _, task = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        self.run(self._cancel(task))

    @rule()
    @precondition(lambda self: self.readers)
    def collect(self) -> None:
        """Every reader behind the end has its entries by now, and the others still wait."""

        async def settle() -> None:
            for place, task in self.readers:
                if place < len(self.said):
                    await task
                else:
                    assert not task.done()

        self.run(settle())
        for place, task in self.readers:
            if task.done():
                self._check(place, task.result())
        self.readers = [reader for reader in self.readers if not reader[1].done()]

    def _check(self, place: int, entries: list[Entry]) -> None:
        count = len(entries)
        assert count or place == len(self.said)
        assert [entry.event for entry in entries] == self.said[place : place + count]
        assert [e.cursor for e in entries] == self.cursors[place + 1 : place + 1 + count]

    @invariant()
    def the_last_is_the_last(self) -> None:
        if getattr(self, "said", None):
            assert self.run(self.log.last(RUN.id)) == (self.cursors[-1], self.said[-1])

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            for _, task in self.readers:
                self.run(self._cancel(task))
            self.run(self.opened.__aexit__(None, None, None))
            self.loop.close()

    @staticmethod
    async def _cancel(task: asyncio.Task) -> None:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("name", LOGS)
def test_any_order_of_calls(name: str) -> None:
    machine = type(name, (LogMachine,), {"log_name": name}).TestCase
    machine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
    machine("runTest").runTest()
