"""The agent that is served: LangChain's own loop, a way of talking, tools."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.graph.state import CompiledStateGraph

from agent.call_settings import ApplyCallSettings, CallSettings
from agent.models import OFFLINE, chat_model
from agent.protocols.base import TextProtocol
from agent.protocols.json_chat import JsonChat
from agent.protocols.middleware import MAX_ITERATIONS, SpeakText
from agent.tools.calculator import calculator
from agent.tools.errors import ToolErrors

Agent: TypeAlias = CompiledStateGraph[Any, Any, Any, Any]

PROTOCOLS: dict[str, type[TextProtocol]] = {"json_chat": JsonChat}


def build_agent(
    model: BaseChatModel | str = OFFLINE,
    *,
    protocol: str = "json_chat",
    tools: Sequence[BaseTool] = (calculator,),
    max_iterations: int = MAX_ITERATIONS,
) -> Agent:
    """An agent that takes `{"messages": [...]}` and ends with its answer as the last message.

    `protocol` is a name in `PROTOCOLS`. Stateless: the conversation comes with the call.
    """
    return create_agent(
        chat_model(model) if isinstance(model, str) else model,
        list(tools),
        middleware=[
            ApplyCallSettings(),
            SpeakText(PROTOCOLS[protocol](), max_iterations),
            ToolErrors(),
        ],
        context_schema=CallSettings,
    )
