"""What a conversation remembers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from agent.memory import Exchange, Memory
from stream.errors import StorageLost
from tests.agent.memories import PLACES, Place

pytestmark = pytest.mark.anyio
TEXTS = [
    *("", "Hi", "🤙 grüße\n\u2028", '{"action": "Final Answer"}', "x" * 100_000),
    *("a\0b", "\\u0000", "half \ud83d of a pair"),  # a model or a tool may say that
]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each of them, empty."""
    return PLACES[request.param](tmp_path)


@pytest.fixture
async def memory(place: Place, anyio_backend: str) -> AsyncIterator[Memory]:
    async with place.open() as memory:
        yield memory


def exchanges(count: int) -> list[Exchange]:
    return [Exchange(f"Question {n}", f"Answer {n}") for n in range(count)]


async def remember(memory: Memory, count: int, thread: tuple[str, str] = ("me", "t")) -> None:
    for exchange in exchanges(count):
        await memory.add(*thread, exchange)


async def test_a_thread_that_never_was(memory) -> None:
    assert await memory.load("me", "t") == []


async def test_oldest_first(memory) -> None:
    await remember(memory, 3)
    assert await memory.load("me", "t") == exchanges(3)


@pytest.mark.parametrize("window", [1, 2, 5])
async def test_only_the_window(place, window: int) -> None:
    async with place.open(window) as memory:
        await remember(memory, 7)
        assert await memory.load("me", "t") == exchanges(7)[-window:]


async def test_a_smaller_window_later(place) -> None:
    async with place.open() as memory:
        await remember(memory, 5)
    async with place.open(2) as memory:
        assert await memory.load("me", "t") == exchanges(5)[-2:]


async def test_without_a_window_nothing_is_kept(place) -> None:
    async with place.open(0) as memory:
        await remember(memory, 3)
        assert await memory.load("me", "t") == []
    async with place.open() as memory:
        assert await memory.load("me", "t") == []


async def test_survives_a_restart(place) -> None:
    for count in range(3):
        async with place.open() as memory:
            assert await memory.load("me", "t") == exchanges(count)
            await memory.add("me", "t", exchanges(3)[count])


@pytest.mark.parametrize("text", TEXTS)
async def test_any_text(memory, text: str) -> None:
    await memory.add("me", "t", Exchange(text, text))
    assert await memory.load("me", "t") == [Exchange(text, text)]


THREADS = [("me", "t"), ("me", "u"), ("you", "t"), ("", "t"), ("me", ""), ("Me", "t"), ("me%", "t")]


async def test_threads_and_principals_never_mix(memory) -> None:
    for principal, thread in THREADS * 2:
        await memory.add(principal, thread, Exchange(principal, thread))
    for principal, thread in THREADS:
        assert await memory.load(principal, thread) == [Exchange(principal, thread)] * 2


async def test_forgetting_one_forgets_no_other(memory) -> None:
    for thread in THREADS:
        await memory.add(*thread, Exchange(*thread))
    await memory.forget("me", "t")
    await memory.forget("me", "never was")
    kept = {thread for thread in THREADS if await memory.load(*thread)}
    assert kept == set(THREADS) - {("me", "t")}
    await memory.add("me", "t", Exchange("again", "yes"))
    assert await memory.load("me", "t") == [Exchange("again", "yes")]


async def test_one_row_for_a_thread(memory, place) -> None:
    await remember(memory, 7)
    await remember(memory, 7, ("you", "t"))
    assert place.rows() == {"checkpoints": 2}
    await memory.forget("you", "t")
    assert place.rows() == {"checkpoints": 1}


async def test_other_threads_at_the_same_time(memory) -> None:
    await asyncio.gather(*(remember(memory, 3, ("me", str(n))) for n in range(10)))
    for n in range(10):
        assert await memory.load("me", str(n)) == exchanges(3)


def test_as_messages() -> None:
    assert Exchange("Hi?", "Ho.").messages() == [
        {"role": "user", "content": "Hi?"},
        {"role": "assistant", "content": "Ho."},
    ]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(THREADS), st.text(max_size=5)), max_size=20),
    st.integers(0, 4),
)
def test_like_lists_in_a_dict(said, window: int) -> None:
    async def check() -> None:
        memory = Memory(InMemorySaver(), window)
        expected: dict[tuple[str, str], list[Exchange]] = {}
        for thread, text in said:
            await memory.add(*thread, Exchange(text, text))
            expected.setdefault(thread, []).append(Exchange(text, text))
        for thread in THREADS:
            kept = expected.get(thread, [])
            assert await memory.load(*thread) == (kept[-window:] if window else [])

    asyncio.run(check())


# Broken storage.


async def fails(memory: Memory) -> None:
    for attempt in (
        memory.load("me", "t"),
        memory.add("me", "t", Exchange("Hi?", "Ho.")),
        memory.forget("me", "t"),
    ):
        with pytest.raises(StorageLost) as caught:
            await attempt
        assert caught.value.message == "The conversation's memory cannot be reached."


async def test_a_closed_connection(place) -> None:
    async with place.open() as memory:
        await remember(memory, 1)
    await fails(memory)


async def test_a_table_that_is_gone(memory, place) -> None:
    await remember(memory, 1)
    place.drop_tables()
    await fails(memory)


@pytest.mark.parametrize(
    "values",
    [
        *({}, {"exchanges": 3}, {"exchanges": [["one"]]}, {"exchanges": ["three"]}),
        *({"exchanges": "["}, {"exchanges": '[["one"]]'}),
    ],
)
async def test_a_row_that_is_not_ours(memory, place, values: dict) -> None:
    await remember(memory, 1)
    place.overwrite(values)
    with pytest.raises(StorageLost):
        await memory.load("me", "t")
    with pytest.raises(StorageLost):
        await memory.add("me", "t", Exchange("Hi?", "Ho."))
    await memory.forget("me", "t")
    assert await memory.load("me", "t") == []


async def test_a_row_of_the_first_versions(memory, place) -> None:
    await remember(memory, 1)
    place.overwrite({"exchanges": [["Hi?", "Ho."]]})
    await memory.add("me", "t", Exchange("And?", "Yes."))
    assert await memory.load("me", "t") == [Exchange("Hi?", "Ho."), Exchange("And?", "Yes.")]
