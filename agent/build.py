"""The agent that is served: LangChain's own loop, a way of talking, tools."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.graph.state import CompiledStateGraph

from agent.call_settings import ApplyCallSettings, CallSettings
from agent.models import OFFLINE, chat_model
from agent.protocols.middleware import MAX_ITERATIONS, Speak
from agent.tools.calculator import calculator
from agent.tools.errors import ToolErrors
from agent.tools.search import SEARCH
from agent.tools.uncited import UncitedHistory

Agent: TypeAlias = CompiledStateGraph[Any, Any, Any, Any]


def build_agent(
    model: BaseChatModel | str = OFFLINE,
    *,
    protocol: str | None = None,
    tools: Sequence[BaseTool] = (calculator,),
    max_iterations: int = MAX_ITERATIONS,
) -> Agent:
    """An agent that takes `{"messages": [...]}` and ends with its answer as the last message.

    `protocol` is how it talks with the model: see `agent.protocols.registry`.
    Stateless: the conversation comes with the call.
    """
    model = chat_model(model) if isinstance(model, str) else model
    return create_agent(
        model,
        list(tools),
        middleware=[
            ApplyCallSettings(),
            Speak(protocol or protocol_for(model), max_iterations),
            ToolErrors(),
            *([UncitedHistory()] if any(tool.name == SEARCH for tool in tools) else []),
        ],
        context_schema=CallSettings,
    )


def protocol_for(model: BaseChatModel) -> str:
    """The best way of talking with a model: native tool calls, if it has them."""
    has_tools = type(model).bind_tools is not BaseChatModel.bind_tools
    return "tool" if has_tools else "json_chat"
