"""Ways of talking with models that call tools natively."""

import json
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from langchain.agents.middleware import ModelRequest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages.tool import tool_call

from agent.protocols.base import Tools
from callbacks.filters.base import ActionRead
from callbacks.filters.json_object import join_surrogates
from callbacks.filters.json_value import parse_json


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

    def accepts(self, answer: str) -> bool:
        """Servers that do not know a model's calls send them as text."""
        return not _CALL.match(answer)

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
        update = {"tool_calls": [*map(_encodable, message.tool_calls)], "invalid_tool_calls": []}
        return message.model_copy(update=update)

    def objection(self, message: AIMessage, words: str) -> list[AnyMessage]:
        """Providers want a result for every call, so the words are said as results."""
        text = join_surrogates(message.text)
        calls = [*map(_encodable, message.tool_calls)]
        calls += [_unreadable(call) for call in message.invalid_tool_calls]
        if calls:
            update = {"content": text, "tool_calls": calls, "invalid_tool_calls": []}
            said = message.model_copy(update=update)
            return [said, *(ToolMessage(words, tool_call_id=call["id"]) for call in calls)]
        return [*([AIMessage(text)] if text else []), HumanMessage(words)]


_CALL = re.compile(
    r"""\s*(?:<tool_call|<function|\[TOOL_CALLS\]|<\|python_tag\|>|\{\s*"(?:name|function)"\s*:)"""
)


def _encodable(call: ToolCall) -> ToolCall:
    """With an id, and without halves of surrogate pairs, which could not be sent back."""
    encodable: ToolCall = parse_json(json.dumps(call))
    return {**encodable, "id": encodable["id"] or f"call_{uuid.uuid4().hex}"}


def _unreadable(call: InvalidToolCall) -> ToolCall:
    """What stands for a call that could not be read, when it is sent back."""
    return _encodable(tool_call(name=call["name"] or "unknown", args={}, id=call["id"]))
