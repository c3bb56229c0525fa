"""Earlier answers reach the model without their citations.

Each run numbers its sources anew. A number that a model repeats out of an earlier answer would
pass for a source of this one.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.middleware.types import AgentState
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from stream.citations import uncited

_Request: TypeAlias = ModelRequest[Any]
_Response: TypeAlias = ModelResponse[Any]


class UncitedHistory(AgentMiddleware[AgentState[Any], Any]):
    """For an agent that cites what it finds. What the user said stays as it is."""

    def wrap_model_call(
        self, request: _Request, handler: Callable[[_Request], _Response]
    ) -> _Response:
        return handler(_without(request))

    async def awrap_model_call(
        self, request: _Request, handler: Callable[[_Request], Awaitable[_Response]]
    ) -> _Response:
        return await handler(_without(request))


def _without(request: _Request) -> _Request:
    every = request.messages
    asked = max((at for at, each in enumerate(every) if isinstance(each, HumanMessage)), default=0)
    return request.override(messages=[*map(_uncited, every[:asked]), *every[asked:]])


def _uncited(message: AnyMessage) -> AnyMessage:
    if not isinstance(message, AIMessage) or not isinstance(message.content, str):
        return message
    return message.model_copy(update={"content": uncited(message.content)})
