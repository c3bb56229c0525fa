"""Every grammar by name. A new output format is one new file and one line here.

Layers stand before a grammar's name, with `+`: `think+react`.
"""

from collections.abc import Callable
from functools import partial

from callbacks.filters.base import AnswerFilter
from callbacks.filters.conversational import ConversationalFilter
from callbacks.filters.harmony import HarmonyFilter
from callbacks.filters.json_chat import JsonChatFilter
from callbacks.filters.message import MessageFilter
from callbacks.filters.react import ReactFilter
from callbacks.filters.react_json import ReactJsonFilter
from callbacks.filters.structured import StructuredFilter
from callbacks.filters.think import ThinkFilter
from callbacks.filters.tool import ToolFilter
from callbacks.filters.xml import XmlFilter

FILTERS: dict[str, Callable[[], AnswerFilter]] = {
    "json_chat": JsonChatFilter,
    "structured_chat": JsonChatFilter,
    "react": ReactFilter,
    "react_json": ReactJsonFilter,
    "conversational": ConversationalFilter,
    "xml": XmlFilter,
    "tool": ToolFilter,
    "message": MessageFilter,
    "structured": StructuredFilter,
    "harmony": HarmonyFilter,
}

LAYERS: dict[str, Callable[[AnswerFilter], AnswerFilter]] = {
    "think": ThinkFilter,
    "think_opened": partial(ThinkFilter, opened=True),
}


def grammar(name: str) -> Callable[[], AnswerFilter]:
    """The grammar of that name, under the layers named before it. Raises `ValueError`."""
    *layers, inner = name.split("+")
    if inner not in FILTERS or not LAYERS.keys() >= set(layers):
        raise ValueError(
            f"{name!r} is not a format: it is one of {', '.join(FILTERS)}, "
            f"perhaps after {' or '.join(f'`{layer}+`' for layer in LAYERS)}"
        )
    make = FILTERS[inner]
    for layer in reversed(layers):
        make = _under(LAYERS[layer], make)
    return make


def _under(
    layer: Callable[[AnswerFilter], AnswerFilter], make: Callable[[], AnswerFilter]
) -> Callable[[], AnswerFilter]:
    return lambda: layer(make())
