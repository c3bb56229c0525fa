"""Ways of talking in plain text, for models without native tool calls."""

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from langchain.agents.middleware import ModelRequest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import BaseTool

from agent.protocols.base import Tools
from callbacks.filters.base import ActionRead
from callbacks.filters.json_object import join_surrogates
from callbacks.filters.json_value import parse_json

SYSTEM_PROMPT = """\
You are a helpful assistant in a conversation with a user. You can use tools.

TOOLS
-----
{tools}

{form}"""
NO_TOOLS = "(none: answer by yourself)"
_SLOT = "{output}"
ARGUMENTS = "The input is a JSON object with these arguments:"


class TextProtocol(ABC):
    """A format in words: how a model is to write it, and how the conversation is written in it."""

    name: str
    form: str
    """What the system prompt says of the format. A model can know the protocol by it."""
    correction: str
    answer_now: str
    takes_plain_text: bool = False
    stop: Sequence[str] = ()
    """Where the server should stop the model."""

    @abstractmethod
    def answer(self, text: str) -> str:
        """A reply that answers."""

    @abstractmethod
    def action(self, name: str, tool_input: Any) -> str:
        """A reply that calls a tool with a string, or with a JSON object of arguments."""

    @abstractmethod
    def result(self, output: str) -> str:
        """What the model is told of a tool's output."""

    def output(self, result: str) -> str | None:
        """The tool's output again, or None if this is not how a model is told of one."""
        before, _, after = self.result(_SLOT).partition(_SLOT)
        is_framed = result.startswith(before) and result.endswith(after)
        return result[len(before) : len(result) - len(after)] if is_framed else None

    def system_prompt(self, tools: Iterable[BaseTool]) -> str:
        described = "\n".join(map(_described, tools))
        return SYSTEM_PROMPT.format(tools=described or NO_TOOLS, form=self.form)

    def accepts(self, answer: str) -> bool:
        return True

    def prompt(self, request: ModelRequest[Any], *, must_answer: bool) -> ModelRequest[Any]:
        messages = [self._rendered(message) for message in request.messages]
        if must_answer:
            messages.append(HumanMessage(self.answer_now))
        tools = [tool for tool in request.tools if isinstance(tool, BaseTool)]
        stop = {"stop": list(self.stop)} if self.stop else {}
        return request.override(
            system_message=SystemMessage(self.system_prompt(tools)),
            messages=messages,
            tools=[],  # the prompt has told of them
            model_settings={**request.model_settings, **stop},
        )

    def calling(
        self, message: AIMessage, action: ActionRead | None, tools: Tools
    ) -> AIMessage | None:
        if action is None:
            return None
        call = {
            "name": action.name,
            "args": _arguments(action, tools),
            "id": f"call_{uuid.uuid4().hex}",
            "type": "tool_call",
        }
        # The model's own words stay the content, so that it finds them again in the next prompt.
        said = join_surrogates(self._until_stop(message.text))
        return message.model_copy(update={"content": said, "tool_calls": [call]})

    def objection(self, message: AIMessage, words: str) -> list[AnyMessage]:
        return [AIMessage(join_surrogates(message.text)), HumanMessage(words)]

    def _rendered(self, message: AnyMessage) -> AnyMessage:
        if isinstance(message, ToolMessage):
            return HumanMessage(self.result(message.text))
        if isinstance(message, AIMessage):
            called = bool(message.tool_calls)
            return AIMessage(message.text if called else self.answer(message.text))
        return message

    def _until_stop(self, text: str) -> str:
        """What a server would have sent that knows the stop sequences."""
        for sequence in self.stop:
            text = text.partition(sequence)[0]
        return text


def _described(tool: BaseTool) -> str:
    """A line in the prompt. Only a tool with one argument can be given just a text."""
    line = f"{tool.name}: {tool.description}"
    if len(tool.args) == 1:
        return line
    return f"{line} {ARGUMENTS} {json.dumps(tool.args, ensure_ascii=False, default=str)}"


def _arguments(action: ActionRead, tools: Tools) -> dict[str, Any]:
    """A model gives a tool its arguments as JSON, or the only one as it is."""
    if isinstance(action.input, dict):
        return action.input
    known = [
        name
        for tool in tools
        if isinstance(tool, BaseTool) and tool.name == action.name
        for name in tool.args
    ]
    if isinstance(action.input, str):
        parsed = parse_json(action.input)
        if isinstance(parsed, dict) and parsed and parsed.keys() <= set(known):
            return parsed
    return {(known or ["input"])[0]: action.input}
