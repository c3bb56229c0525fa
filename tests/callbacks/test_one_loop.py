"""Hooks that are called in other threads, on loops of their own."""

import asyncio
import threading

import pytest

from callbacks.one_loop import OneLoop, in_turn

pytestmark = pytest.mark.anyio


class Noting(OneLoop):
    """Notes what it hears, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []
        self.gate = asyncio.Event()
        self.gate.set()

    @in_turn
    async def hear(self, word: object) -> None:
        assert asyncio.get_running_loop() is self.loop
        await self.gate.wait()
        if isinstance(word, Exception):
            raise word
        self.heard.append(word)


def elsewhere(handler: Noting, *words: object) -> None:
    """What LangChain does in a thread."""
    for word in words:
        asyncio.run(handler.hear(word))


async def test_at_home_a_hook_is_called_as_it_stands() -> None:
    handler = Noting()
    assert handler.in_turn()
    await handler.hear(1)
    await handler.caught_up()
    assert handler.heard == [1]


async def test_words_of_a_thread_are_heard_in_order() -> None:
    handler = Noting()
    await asyncio.to_thread(elsewhere, handler, *range(100))
    assert not handler.in_turn()
    await handler.hear(100)
    assert handler.heard == list(range(101)), "what comes after them waits for them"


async def test_a_thread_does_not_wait() -> None:
    handler = Noting()
    handler.gate.clear()
    await asyncio.to_thread(elsewhere, handler, 1, 2)
    assert handler.heard == []
    handler.gate.set()
    await handler.caught_up()
    assert handler.heard == [1, 2]


async def test_a_loop_that_waits_for_a_thread_does_not_wait_for_ever() -> None:
    handler = Noting()
    thread = threading.Thread(target=elsewhere, args=(handler, 1))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    await asyncio.sleep(0)
    await handler.caught_up()
    assert handler.heard == [1]


async def test_what_it_raises_comes_out_at_home() -> None:
    handler = Noting()
    await asyncio.to_thread(elsewhere, handler, 1, LookupError("no"), 2)
    with pytest.raises(LookupError):
        await handler.hear(3)
    with pytest.raises(LookupError):
        await handler.caught_up()
    assert handler.heard == [1]


async def test_who_waits_may_be_cancelled_and_nothing_is_lost() -> None:
    handler = Noting()
    handler.gate.clear()
    await asyncio.to_thread(elsewhere, handler, 1)
    waiting = asyncio.create_task(handler.hear(2))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    handler.gate.set()
    await handler.caught_up()
    assert handler.heard == [1]


async def test_a_refused_thread_is_stopped() -> None:
    handler = Noting()
    handler.refuse()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.to_thread(elsewhere, handler, 1)
    await handler.hear(2)
    assert handler.heard == [2]
