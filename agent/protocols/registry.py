"""Every way of talking by name. A new one is a file and a line here."""

from agent.protocols.base import ChatProtocol
from agent.protocols.conversational import Conversational
from agent.protocols.json_chat import JsonChat
from agent.protocols.message import Message
from agent.protocols.react import React
from agent.protocols.react_json import ReactJson
from agent.protocols.structured_chat import StructuredChat
from agent.protocols.text import TextProtocol
from agent.protocols.tool import Tool
from agent.protocols.xml import Xml
from callbacks.filters.registry import LAYERS

TEXT: dict[str, TextProtocol] = {
    each.name: each
    for each in (JsonChat(), StructuredChat(), React(), ReactJson(), Conversational(), Xml())
}
PROTOCOLS: dict[str, ChatProtocol] = {**TEXT, "tool": Tool(), "message": Message()}


def is_protocol(name: str) -> bool:
    """Whether the built-in agent can talk so. Layers may stand before: `think+react`."""
    *layers, inner = name.split("+")
    return inner in PROTOCOLS and LAYERS.keys() >= set(layers)
