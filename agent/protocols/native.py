"""Ways of talking with models that call tools natively."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from langchain.agents.middleware import ModelRequest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from agent.protocols.base import Tools
from callbacks.filters.base import ActionRead


class NativeProtocol(ABC):
    """LangChain binds the tools and reads the calls; here is what the model is told beside."""

    name: str
    system_prompt: str
    correction: str
    answer_now: str
    takes_plain_text: bool

    @abstractmethod
    def options(self, request: ModelRequest[Any], *, must_answer: bool) -> dict[str, Any]:
        """What to override of the request besides its messages."""

    def rendered(self, message: AnyMessage) -> Iterable[AnyMessage]:
        """A message of the conversation, as the model is to see it."""
        return [message]

    def prompt(self, request: ModelRequest[Any], *, must_answer: bool) -> ModelRequest[Any]:
        messages = [seen for message in request.messages for seen in self.rendered(message)]
        if must_answer:
            messages.append(HumanMessage(self.answer_now))
        return request.override(
            system_message=SystemMessage(self.system_prompt),
            messages=messages,
            **self.options(request, must_answer=must_answer),
        )

    def calling(
        self, message: AIMessage, action: ActionRead | None, tools: Tools
    ) -> AIMessage | None:
        if not message.tool_calls:
            return None
        # Every call that stays must be answered, and one that could not be read cannot be.
        return message.model_copy(update={"invalid_tool_calls": []})

    def objection(self, message: AIMessage, words: str) -> list[AnyMessage]:
        """Providers want a result for every call, so the words are said as results."""
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        if calls:
            return [message, *(ToolMessage(words, tool_call_id=call["id"] or "") for call in calls)]
        said: list[AnyMessage] = [AIMessage(message.text)] if message.text else []
        return [*said, HumanMessage(words)]
