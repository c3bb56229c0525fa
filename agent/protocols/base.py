"""What a way of talking is: a prompt, a rendering of the conversation, a grammar."""

from collections.abc import Sequence
from typing import Protocol

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool


class TextProtocol(Protocol):
    """How an agent and a model without native tool calls talk in plain text."""

    name: str
    """Also the name of its grammar in `callbacks.filters.registry.FILTERS`."""

    stop: Sequence[str]
    """Stop sequences for the model; may be empty."""

    correction: str
    """What the model is told about a reply that could not be read."""

    answer_now: str
    """What the model is told when it has used up its tool calls."""

    def system_prompt(self, tools: Sequence[BaseTool]) -> str:
        """What the model may do, and the form its replies must take."""

    def is_plain_text_answer(self, text: str) -> bool:
        """Whether a reply that stayed unreadable after corrections may be the answer.

        Never one that tried the format and failed: the user would see its debris.
        """

    def render_answer(self, message: AIMessage) -> AIMessage:
        """An earlier answer, in the form that the model is asked to write."""

    def render_action(self, message: AIMessage) -> AIMessage:
        """The model's own reply that called a tool."""

    def render_result(self, message: ToolMessage) -> HumanMessage:
        """What the tool said, for the model to read."""
