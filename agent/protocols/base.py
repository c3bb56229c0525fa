"""What a way of talking is: what the model is sent, and how it calls tools.

How its replies are read is the matter of the grammar that has the protocol's name.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from langchain.agents.middleware import ModelRequest
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.tools import BaseTool

from callbacks.filters.base import ActionRead

Tools: TypeAlias = Sequence[BaseTool | dict[str, Any]]
"""As LangChain has them; a dict is a tool that runs at the provider."""


class ChatProtocol(Protocol):
    """How an agent and a model talk."""

    name: str
    """Also the name of its grammar in `callbacks.filters.registry.FILTERS`."""

    correction: str
    """What the model is told about a reply that could not be read."""

    answer_now: str
    """What the model is told when it has used up its tool calls."""

    takes_plain_text: bool
    """Whether a reply that stayed without any format, after corrections, is the answer."""

    def accepts(self, answer: str) -> bool:
        """Whether this, read as an answer, may be one."""

    def prompt(self, request: ModelRequest[Any], *, must_answer: bool) -> ModelRequest[Any]:
        """The request as the model is to be asked it."""

    def calling(
        self, message: AIMessage, action: ActionRead | None, tools: Tools
    ) -> AIMessage | None:
        """The reply as a message that makes LangChain call what it calls, if it calls a tool.

        `action` is what the grammar read.
        """

    def objection(self, message: AIMessage, words: str) -> list[AnyMessage]:
        """The reply, and what the agent says to it."""
