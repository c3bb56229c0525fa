"""One's own agent: any LangChain runnable or LangGraph graph, called as ours is.

It takes the conversation as `messages`. Chains and agents of LangChain's older kind
also find it as `input`, the question, and `chat_history`, the messages before it.
"""

from collections.abc import Set as AbstractSet
from dataclasses import asdict, fields
from typing import Any, Protocol

from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs

from agent.call_settings import HINTS, CallSettings
from agent.load import load, made_by
from stream.errors import Internal

SETTINGS = frozenset(field.name for field in fields(CallSettings))
TAKEN = SETTINGS - HINTS
"""What may reach one's own agent. Its `user` would be something else than a client's hint."""


class Agent(Protocol):
    """What an execution calls: the graph of `build_agent`, or an `OwnAgent`."""

    async def ainvoke(
        self, given: Any, config: RunnableConfig | None = None, /, *, context: CallSettings
    ) -> Any:
        """Answer `{"messages": [...]}`. `context` is what the request changes."""


class OwnAgent:
    """Gives a runnable what it takes. `prepare` it in the loop that it is to run in."""

    def __init__(self, name: str) -> None:
        """`name` is `module:attribute`. Raises `UnknownAgent`."""
        self._name = name
        self._found = load(name)
        self._fields: AbstractSet[str] = frozenset()
        self._in_context: AbstractSet[str] = frozenset()

    async def prepare(self) -> AbstractSet[str]:
        """Returns what of `CallSettings` the runnable takes. Raises `UnknownAgent`."""
        if not isinstance(self._found, Runnable):
            self._found = await made_by(self._found, self._name)
        self._fields = TAKEN & {spec.id for spec in self._found.config_specs}
        self._in_context = TAKEN & _fields(getattr(self._found, "context_schema", None))
        return self._fields | self._in_context

    async def ainvoke(
        self, given: Any, config: RunnableConfig | None = None, /, *, context: CallSettings
    ) -> Any:
        settings = {name: value for name, value in asdict(context).items() if value is not None}
        own: Any = self._found
        options: dict[str, Any] = {}
        if self._in_context:
            options["context"] = _of(settings, self._in_context)
        chosen: RunnableConfig = {"configurable": _of(settings, self._fields)}
        return await own.ainvoke(
            _input(given["messages"]), merge_configs(config, chosen), **options
        )


def _input(conversation: list[dict[str, str]]) -> dict[str, Any]:
    *history, question = messages = convert_to_messages(conversation)
    return {"messages": messages, "input": question.text, "chat_history": history}


def _of(settings: dict[str, Any], names: AbstractSet[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name in names}


def _fields(schema: Any) -> AbstractSet[str]:
    """Of a graph's context: a dataclass, a pydantic model or a TypedDict."""
    for names in ("__dataclass_fields__", "model_fields", "__annotations__"):
        if hasattr(schema, names):
            return frozenset(getattr(schema, names))
    return frozenset()


def answer_of(result: Any) -> str | None:
    """The text of what an agent returned; None where it cannot be told from its result."""
    if not isinstance(result, dict):
        return _text(result)
    if result.get("__interrupt__"):
        raise Internal("The agent waits for somebody's word, which this server cannot bring.")
    if result.get("structured_response") is not None:
        return None  # its last message only reports that there is one
    output, messages = _text(result.get("output")), result.get("messages")
    if output is None and isinstance(messages, list) and messages:
        return _text(messages[-1])
    return output


def _text(said: Any) -> str | None:
    if isinstance(said, BaseMessage) and not isinstance(said, HumanMessage):
        return str(said.text)
    return said if isinstance(said, str) else None
