"""What one request may change about its model calls."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.middleware.types import AgentState

HINTS = frozenset({"seed", "user"})
"""What a model may ignore, and so may be left out where it is not known."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """None leaves the model's own setting. The context of an agent's run.

    `model` is `provider:name`, of the provider that the agent already has.
    """

    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    user: str | None = None

    def only(self, names: Collection[str]) -> "CallSettings":
        """Without the hints that are not among these names: they promise nothing."""
        return replace(self, **dict.fromkeys(HINTS - set(names), None))

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
