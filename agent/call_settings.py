"""What one request may change about its model calls."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.middleware.types import AgentState


@dataclass(frozen=True, slots=True)
class CallSettings:
    """None leaves the model's own setting. The context of an agent's run.

    `model` is `provider:name`, of the provider that the agent already has.
    """

    model: str | None = None
    temperature: float | None = None

    def given(self) -> dict[str, Any]:
        """The settings as keyword arguments of a model call."""
        settings = asdict(self)
        if self.model:
            settings["model"] = self.model.partition(":")[2] or self.model
        return {name: value for name, value in settings.items() if value is not None}


_Request: TypeAlias = ModelRequest[CallSettings | None]
_Response: TypeAlias = ModelResponse[Any]


class ApplyCallSettings(AgentMiddleware[AgentState[Any], CallSettings | None]):
    """Passes a run's settings to each of its model calls."""

    def wrap_model_call(
        self, request: _Request, handler: Callable[[_Request], _Response]
    ) -> _Response:
        return handler(_applied(request))

    async def awrap_model_call(
        self, request: _Request, handler: Callable[[_Request], Awaitable[_Response]]
    ) -> _Response:
        return await handler(_applied(request))


def _applied(request: _Request) -> _Request:
    if (settings := request.runtime.context) is None:
        return request
    return request.override(model_settings={**request.model_settings, **settings.given()})
