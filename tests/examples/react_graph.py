"""LangGraph's prebuilt agent, which older projects have, made by a function.

LASTWORD_AGENT=tests.examples.react_graph:make_agent
"""

from langchain_openai import ChatOpenAI
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import create_react_agent

from tests.examples.tools import population


def make_agent() -> CompiledStateGraph:
    return create_react_agent(ChatOpenAI(model="gpt-4.1-mini"), [population])
