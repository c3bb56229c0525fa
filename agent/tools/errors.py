"""What can go wrong with tools: one that is not there, and one that raises."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import AgentState, ToolCallRequest
from langchain_core.messages import ToolMessage
from langgraph.types import Command

_Result: TypeAlias = ToolMessage | Command[Any]


class UnknownTool(ValueError):
    """There is no such tool here. The message says what to do."""


class ToolErrors(AgentMiddleware[AgentState[Any], Any]):
    """A tool that raises tells the model so, instead of ending the run."""

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], _Result]
    ) -> _Result:
        try:
            return handler(request)
        except Exception as error:  # noqa: BLE001  tools may raise anything; the model is told
            return _failed(request, error)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[_Result]]
    ) -> _Result:
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001  tools may raise anything; the model is told
            return _failed(request, error)


def _failed(request: ToolCallRequest, error: Exception) -> ToolMessage:
    # Only the kind of error: its words may hold a key or a path.
    return ToolMessage(
        f"The tool failed ({type(error).__name__}).",
        tool_call_id=request.tool_call["id"],
        name=request.tool_call["name"],
        status="error",
    )
