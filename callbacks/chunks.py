"""LangChain's messages -> what the grammars read."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from callbacks.filters.base import CallDelta, Chunk

_THOUGHT_TYPES = ("reasoning", "thinking", "reasoning_content")
# Where providers put the text of a thought: in a block, in a part of one, in extra fields.
_THOUGHT_KEYS = ("reasoning", "thinking", "reasoning_content", "text", "summary", "content")


def chunks_of(content: str | list[Any], message: object = None) -> Sequence[Chunk]:
    """A token, or a whole message, in the order in which it was said.

    `content` counts where there is no `message` of LangChain's with more to say.
    """
    if not isinstance(message, AIMessage):
        return (Chunk(content),) if isinstance(content, str) else tuple(_blocks(content))
    content, extra = message.content, message.additional_kwargs
    calls = _calls(message)
    if isinstance(content, str) and not calls and not extra:  # nearly every token
        return (Chunk(content),)
    ...
