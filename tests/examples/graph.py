"""A graph of one's own, with plain sync functions and with async ones.

LASTWORD_AGENT=tests.examples.graph:sync_agent
LASTWORD_AGENT=tests.examples.graph:make_agent
"""

from dataclasses import dataclass

from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import Runtime

from tests.examples.tools import population

model = ChatOpenAI(model="gpt-4.1-mini").bind_tools([population])


def think(state: MessagesState) -> dict:
    return {"messages": [model.invoke(state["messages"])]}


sync_agent = (
    StateGraph(MessagesState)
    .add_node("think", think)
    .add_node("tools", ToolNode([population]))
    .add_edge(START, "think")
    .add_conditional_edges("think", tools_condition)
    .add_edge("tools", "think")
    .compile(checkpointer=InMemorySaver())
)


@dataclass
class Choice:
    """What a request may choose."""

    temperature: float = 0.5


async def think_async(state: MessagesState, runtime: Runtime[Choice]) -> dict:
    asked = model.bind(temperature=runtime.context.temperature)
    return {"messages": [await asked.ainvoke(state["messages"])]}


async def make_agent() -> CompiledStateGraph:
    graph = StateGraph(MessagesState, context_schema=Choice).add_node("think", think_async)
    graph.add_node("tools", ToolNode([population])).add_edge("tools", "think")
    return graph.add_edge(START, "think").add_conditional_edges("think", tools_condition).compile()
