"""Runs that are stopped while a model speaks: what was said is kept, once."""

import asyncio

import pytest
from langchain.agents import create_agent
from langgraph.graph import MessagesState

from callbacks.filters.registry import grammar
from callbacks.handler import FinalAnswerHandler
from stream.events import AnswerConfirmed, AnswerDelta
from stream.transcript import Transcript
from tests.agent.models import model_on, sync_model_on
from tests.callbacks.nested.test_graphs import in_order, says
from tests.replies import Gate, final

pytestmark = pytest.mark.anyio


async def cut_short(upstream, agent, format: str, text: str, *, keep: bool = True) -> list:
    """The events of a run that is cancelled when this much was said."""
    queue: asyncio.Queue = asyncio.Queue()
    handler = FinalAnswerHandler(queue, grammar(format))
    config = {"callbacks": [handler]}
    run = asyncio.create_task(agent.ainvoke({"messages": "Hi"}, config))
    events, heard = [], ""
    while heard != text:
        events.append(event := await queue.get())
        heard = heard + event.text if isinstance(event, AnswerDelta) else ""
    run.cancel()
    await asyncio.wait([run])
    assert run.cancelled()
    await handler.stop(keep=keep)
    while not queue.empty():
        events.append(queue.get_nowait())
    transcript = Transcript()
    for event in events:
        transcript.add(event)
    assert transcript.answer == handler.answer
    return events


def streaming(model):
    """A node that streams, where LangChain tells the handler of the cancellation."""

    async def node(state: MessagesState) -> dict:
        chunks = [chunk async for chunk in model.astream("Hi")]
        return {"messages": [sum(chunks[1:], chunks[0])]}

    return node


def held(upstream, text: str, tokens: int) -> None:
    """A reply that waits after so many characters."""
    upstream.say(text, cut=1, gate=Gate(tokens))


@pytest.mark.parametrize(
    "agent_of", [lambda m: create_agent(m), lambda m: in_order(streaming(m))], ids=["ask", "stream"]
)
async def test_uncertain_text_is_confirmed(upstream, agent_of) -> None:
    held(upstream, "It is nine.", 5)
    async with model_on(upstream) as model:
        events = await cut_short(upstream, agent_of(model), "message", "It is")
    assert events[-1] == AnswerConfirmed()
    assert "".join(event.text for event in events[:-1]) == "It is"


async def test_certain_text_stays(upstream) -> None:
    text = final("It is nine.")
    held(upstream, text, text.index("It is") + 5)
    async with model_on(upstream) as model:
        events = await cut_short(upstream, create_agent(model), "json_chat", "It is")
    assert "".join(event.text for event in events) == "It is"


async def test_what_an_earlier_call_said_is_not_kept(upstream) -> None:
    upstream.say("A plan.")
    held(upstream, "It is nine.", 5)
    async with model_on(upstream) as model:
        graph = in_order(says(model, "Plan"), says(model, "Write"))
        events = await cut_short(upstream, graph, "message", "It is")
    transcript = Transcript()
    for event in events:
        transcript.add(event)
    assert transcript.answer == "It is"


async def test_of_a_run_that_fails_it_is_not_confirmed(upstream) -> None:
    held(upstream, "It is nine.", 5)
    async with model_on(upstream) as model:
        agent = create_agent(model)
        events = await cut_short(upstream, agent, "message", "It is", keep=False)
    assert AnswerConfirmed() not in events


async def test_a_thread_that_outlives_its_run_is_stopped(upstream) -> None:
    held(upstream, "It is nine.", 5)
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    with sync_model_on(upstream) as model:

        def node(state: MessagesState) -> dict:
            try:
                return {"messages": [model.invoke("Hi")]}
            finally:
                loop.call_soon_threadsafe(done.set)

        events = await cut_short(upstream, in_order(node), "message", "It is")
        assert not done.is_set()
        upstream.release(1)
        await done.wait()
        await upstream.until(lambda: upstream.cancelled == 1)
    assert events[-1] == AnswerConfirmed()
