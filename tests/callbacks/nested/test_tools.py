"""Models that are asked inside of tools and retrievers: nothing of it reaches the answer."""

import asyncio

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import create_retriever_tool, tool
from langgraph.graph import START, MessagesState, StateGraph

from tests.agent.models import model_on, sync_model_on
from tests.callbacks.nested.asking import ask
from tests.replies import Gate, Reply, cut_text

pytestmark = pytest.mark.anyio


def call(name: str, argument: str, index: int = 0) -> dict:
    """A native tool call, whole in one token."""
    function = {"name": name, "arguments": f'{{"query": "{argument}"}}'}
    piece = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
    return {"tool_calls": [piece]}


def calls(upstream, *tokens) -> None:
    upstream.script(Reply(tokens=list(tokens), finish_reason="tool_calls"))


async def answers_with(upstream, model, oracle) -> None:
    """A run in which the model calls a tool that asks a model."""
    calls(upstream, "Let me see.", call(oracle.name, "x"))
    upstream.say("Secret.", cut=2)
    upstream.say("It is nine.", cut=2)
    ran = await ask(create_agent(model, [oracle]))
    assert ran.shown == ["-Let me see.", "+It is nine."]
    assert ran.tools == [oracle.name]


async def test_a_tool_that_asks(upstream) -> None:
    async with model_on(upstream) as model:

        @tool
        async def oracle(query: str) -> str:
            """Knows."""
            return (await model.ainvoke(query)).text

        await answers_with(upstream, model, oracle)


async def test_a_tool_that_streams(upstream) -> None:
    async with model_on(upstream) as model:

        @tool
        async def oracle(query: str) -> str:
            """Knows."""
            return "".join([chunk.text async for chunk in model.astream(query)])

        await answers_with(upstream, model, oracle)


async def test_a_sync_tool_that_asks(upstream) -> None:
    with sync_model_on(upstream) as asked:

        @tool
        def oracle(query: str) -> str:
            """Knows."""
            return asked.invoke(query).text

        async with model_on(upstream) as model:
            await answers_with(upstream, model, oracle)


async def test_a_sub_agent_as_a_tool(upstream) -> None:
    async with model_on(upstream) as model:

        @tool
        async def inner(query: str) -> str:
            """Knows."""
            return query

        @tool
        async def expert(query: str) -> str:
            """Asks an agent."""
            agent = create_agent(model, [inner])
            return (await agent.ainvoke({"messages": query}))["messages"][-1].text

        calls(upstream, call("expert", "x"))
        calls(upstream, "Secret thoughts.", call("inner", "y"))
        upstream.say("Secret.")
        upstream.say("It is nine.")
        ran = await ask(create_agent(model, [expert]))
    assert ran.shown == ["+It is nine."]
    assert ran.tools == ["expert"], "what it calls itself is its own affair"


class Rewriting(BaseRetriever):
    """Asks a model for a better question."""

    model: object

    async def _aget_relevant_documents(self, query, *, run_manager) -> list[Document]:
        config = {"callbacks": run_manager.get_child()}
        return [Document((await self.model.ainvoke(query, config)).text)]

    def _get_relevant_documents(self, query, *, run_manager) -> list[Document]:
        raise NotImplementedError  # LangChain wants it defined; only the async one is called


async def test_a_retriever_as_a_tool(upstream) -> None:
    async with model_on(upstream) as model:
        search = create_retriever_tool(Rewriting(model=model), "search", "Finds.")
        await answers_with(upstream, model, search)


async def test_a_retriever_in_a_graph(upstream) -> None:
    async with model_on(upstream) as model:
        retriever = Rewriting(model=model)

        async def retrieve(state: MessagesState) -> dict:
            found = await retriever.ainvoke(state["messages"][-1].text)
            return {"messages": [("user", found[0].page_content)]}

        async def answer(state: MessagesState) -> dict:
            return {"messages": [await model.ainvoke(state["messages"])]}

        graph = StateGraph(MessagesState).add_sequence([retrieve, answer])
        graph.add_edge(START, "retrieve")
        upstream.say("Secret.")
        upstream.say("It is nine.")
        ran = await ask(graph.compile())
    assert ran.shown == ["+It is nine."]


async def test_tools_in_parallel_whose_tokens_interleave(upstream) -> None:
    gates = {"a": Gate(), "b": Gate()}
    asked = asyncio.Barrier(3)

    def reply(request) -> Reply:
        question = request["messages"][-1]["content"]
        if gate := gates.get(question):
            return Reply(tokens=cut_text("Secret things.", 1), gate=gate)
        return Reply(tokens=cut_text("It is nine.", 1))

    async with model_on(upstream) as model:

        @tool
        async def left(query: str) -> str:
            """Knows."""
            await asked.wait()
            return (await model.ainvoke("a")).text

        @tool
        async def right(query: str) -> str:
            """Knows."""
            await asked.wait()
            return "".join([chunk.text async for chunk in model.astream("b")])

        async def in_turns() -> None:
            await asked.wait()
            await upstream.until(lambda: len(upstream.requests) == 3)
            for n in range(1, len("Secret things.") + 1):
                upstream.release(1)
                await upstream.until(lambda: all(r.sent >= n for r in upstream.requests[1:3]))  # noqa: B023  called at once
            upstream.release()

        calls(upstream, "Both.", call("left", "x", 0), call("right", "x", 1))
        upstream.default = reply
        turns = asyncio.create_task(in_turns())
        ran = await ask(create_agent(model, [left, right]))
        await turns
    assert ran.shown == ["-Both.", "+It is nine."]
    assert sorted(ran.tools) == ["left", "right"]
