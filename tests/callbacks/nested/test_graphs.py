"""Graphs that ask a model several times: the answer is what they return, however it came about."""

import asyncio
import operator
import warnings
from typing import Annotated, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from stream.errors import UnreadableReply
from tests.agent.models import model_on, sync_model_on
from tests.callbacks.nested.asking import ask, attempt
from tests.callbacks.nested.test_tools import call, calls
from tests.replies import Reply, cut_text, final

pytestmark = pytest.mark.anyio


def says(model, prompt: str):
    """A node in which a model speaks."""

    async def node(state) -> dict:
        return {"messages": [await model.ainvoke(prompt)]}

    return node


def keeps(model, prompt: str):
    """A node in which a model speaks, but not to the conversation."""

    async def node(state) -> dict:
        await model.ainvoke(prompt)
        return {}

    return node


def in_order(*nodes):
    graph = StateGraph(MessagesState)
    graph.add_sequence([(str(n), node) for n, node in enumerate(nodes)])
    graph.add_edge(START, "0")
    return graph.compile()


@pytest.mark.parametrize("size", [1, 256])
async def test_planner_and_writer(upstream, size: int) -> None:
    upstream.say("First, then second.", cut=3)
    upstream.say("The essay.", cut=3)
    async with model_on(upstream) as model:
        ran = await ask(in_order(says(model, "Plan"), says(model, "Write")), size=size)
    assert ran.shown == ["-First, then second.", "+The essay."]


async def test_a_critic_has_not_the_last_word(upstream) -> None:
    upstream.say("The essay.", cut=3)
    upstream.say("Not bad.", cut=3)
    async with model_on(upstream) as model:
        ran = await ask(in_order(says(model, "Write"), keeps(model, "Criticise")))
    assert ran.shown == ["-The essay.", "-Not bad."]
    assert ran.returned == "The essay."


async def test_a_router(upstream) -> None:
    upstream.say("essay")
    upstream.say("The essay.", cut=3)
    async with model_on(upstream) as model:
        graph = StateGraph(MessagesState)
        graph.add_node("write", says(model, "Write"))

        async def route(state) -> str:
            return {"essay": "write"}[(await model.ainvoke("Which?")).text]

        graph.add_conditional_edges(START, route, ["write"])
        ran = await ask(graph.compile())
    assert ran.shown == ["-essay", "+The essay."]


async def test_a_call_tagged_nostream_is_not_even_shown(upstream) -> None:
    upstream.say("First, then second.")
    upstream.say("The essay.")
    async with model_on(upstream) as model:
        planner = model.with_config(tags=["nostream"])
        ran = await ask(in_order(keeps(planner, "Plan"), says(model, "Write")))
    assert ran.shown == ["+The essay."]


async def test_a_graph_that_words_the_answer_itself(upstream) -> None:
    upstream.say("nine")

    async def word(state) -> dict:
        return {"messages": [AIMessage(f"It is {state['messages'][-1].text}.")]}

    async with model_on(upstream) as model:
        ran = await ask(in_order(says(model, "Think"), word))
    assert ran.shown == ["-nine"]
    assert ran.returned == "It is nine."


@pytest.mark.parametrize("tokens", [5, 300])
async def test_sync_nodes(upstream, tokens: int) -> None:
    plan, essay = "plan " * tokens, "essay " * tokens
    with sync_model_on(upstream) as model:

        def planner(state: MessagesState) -> dict:
            return {"messages": [model.invoke("Plan")]}

        def writer(state: MessagesState) -> dict:
            return {"messages": [model.invoke("Write")]}

        upstream.say(plan, cut=5)
        upstream.say(essay, cut=6)
        ran = await ask(in_order(planner, writer), size=16)
    assert ran.shown == [f"-{plan}", f"+{essay}"]


async def test_an_async_node_that_stops_the_loop(upstream) -> None:
    """Bad manners, and no reason to hang for ever."""
    with sync_model_on(upstream) as model:

        async def writer(state: MessagesState) -> dict:
            return {"messages": [model.invoke("Write")]}

        upstream.say("essay " * 100, cut=6)
        ran = await ask(in_order(writer), size=4)
    assert ran.shown == [f"+{'essay ' * 100}"]


class Drafts(TypedDict):
    messages: list
    drafts: Annotated[list[str], operator.add]


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("chosen", [0, 1, slice(None)])
async def test_branches_that_talk_at_once(upstream, chosen, sync: bool) -> None:
    texts = ["Left " * 40, "Right " * 40]
    upstream.default = lambda request: Reply(
        tokens=cut_text(texts[int(request["messages"][-1]["content"])], 3)
    )
    met = asyncio.Barrier(2)

    with sync_model_on(upstream) as sync_model:
        async with model_on(upstream) as model:

            def branch(n: int):
                async def talk(state: Drafts) -> dict:
                    await met.wait()
                    return {"drafts": [f"{n}{(await model.ainvoke(str(n))).text}"]}

                def talk_in_thread(state: Drafts) -> dict:
                    return {"drafts": [f"{n}{sync_model.invoke(str(n)).text}"]}

                return talk_in_thread if sync else talk

            async def join(state: Drafts) -> dict:
                drafts = [draft[1:] for draft in sorted(state["drafts"])]
                return {"messages": [AIMessage("".join(drafts[chosen]))]}

            graph = StateGraph(Drafts)
            graph.add_node("left", branch(0)).add_node("right", branch(1)).add_node("join", join)
            graph.add_edge(START, "left").add_edge(START, "right")
            graph.add_edge(["left", "right"], "join")
            ran = await ask(graph.compile(), size=8)
    assert ran.returned == "".join(texts[chosen])
    for piece in ran.shown:
        assert any(text.startswith(piece[1:]) for text in texts), "never two at once"


async def test_an_agent_as_a_node_answers_and_one_in_a_tool_does_not(upstream) -> None:
    async with model_on(upstream) as model:

        @tool
        async def expert(query: str) -> str:
            """Asks an agent in a graph."""
            inner = in_order(create_agent(model, []))
            return (await inner.ainvoke({"messages": query}))["messages"][-1].text

        calls(upstream, "Let me ask.", call("expert", "x"))
        upstream.say("Secret.")
        upstream.say("It is nine.", cut=3)
        ran = await ask(in_order(create_agent(model, [expert])))
    assert ran.shown == ["-Let me ask.", "+It is nine."]
    assert ran.tools == ["expert"]


async def test_a_graph_in_a_graph_in_a_graph(upstream) -> None:
    upstream.say("First, then second.")
    upstream.say("The essay.", cut=3)
    async with model_on(upstream) as model:
        inner = in_order(in_order(says(model, "Plan")), says(model, "Write"))
        ran = await ask(in_order(inner))
    assert ran.shown == ["-First, then second.", "+The essay."]


async def test_two_different_certain_answers_fail_the_run(upstream) -> None:
    upstream.say(final("One."))
    upstream.say(final("Two."))
    async with model_on(upstream) as model:
        ran = await attempt(in_order(says(model, "Plan"), says(model, "Write")), "json_chat")
    assert isinstance(ran.error, UnreadableReply)
    assert ran.answer == "One."


async def test_the_same_certain_answer_twice_is_one(upstream) -> None:
    upstream.say(final("One."), cut=2)
    upstream.say(final("One."), cut=3)
    async with model_on(upstream) as model:
        ran = await attempt(in_order(says(model, "Plan"), says(model, "Write")), "json_chat")
    assert ran.error is None
    assert ran.answer == "One."


async def test_langgraphs_own_agent_with_hooks(upstream) -> None:
    from langgraph.prebuilt import create_react_agent

    async with model_on(upstream) as model:

        @tool
        async def echo(query: str) -> str:
            """Says it again."""
            return query

        calls(upstream, "Secret label.", call("echo", "never run"))
        calls(upstream, "Let me see.", call("echo", "x"))
        upstream.say("Secret label.")
        upstream.say("It is nine.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its name is deprecated, and still used
            agent = create_react_agent(model, [echo], pre_model_hook=keeps(model, "Label"))
        ran = await ask(agent)
    assert ran.shown == ["-Let me see.", "+It is nine."]
    assert ran.tools == ["echo"]
