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

    `content` counts only where there is no `message` of LangChain's, which has more to say.
    """
    if type(message) is AIMessageChunk:  # before `isinstance`, which is slow on such classes
        content = message.content
        plain = not message.additional_kwargs and not message.tool_call_chunks
        if plain and type(content) is str:  # nearly every token
            return (Chunk(content),)
    if isinstance(message, AIMessage):
        return tuple(_message(message))
    return (Chunk(content),) if isinstance(content, str) else tuple(_blocks(content))


def _message(message: AIMessage) -> Iterator[Chunk]:
    extra = message.additional_kwargs
    if thought := _thought(extra.get("reasoning_content") or extra.get("reasoning")):
        yield Chunk(thought=thought)
    content = message.content
    yield from (Chunk(content),) if isinstance(content, str) else _blocks(content)
    if calls := tuple(_calls(message)):
        yield Chunk(calls=calls)


def _blocks(content: list[Any]) -> Iterator[Chunk]:
    for block in content:
        if isinstance(block, str):
            yield Chunk(block)
        elif block.get("type") == "text":
            text = block.get("text")
            yield Chunk(text if isinstance(text, str) else "", phase=block.get("phase"))
        elif block.get("type") in _THOUGHT_TYPES:
            yield Chunk(thought=_thought(block))


def _thought(value: Any) -> str:
    match value:
        case str():
            return value
        case list():
            return "".join(map(_thought, value))
        case dict():
            return next(filter(None, (_thought(value.get(key)) for key in _THOUGHT_KEYS)), "")
        case _:
            return ""


def _calls(message: AIMessage) -> Iterator[CallDelta]:
    if isinstance(message, AIMessageChunk):
        for piece in message.tool_call_chunks:
            name, args, id_ = piece.get("name"), piece.get("args"), piece.get("id")
            yield CallDelta(piece.get("index"), name or "", args or "", id_ or "")
    else:
        for call in message.tool_calls:
            yield CallDelta(None, call["name"], json.dumps(call["args"]), call["id"] or "")
        for broken in message.invalid_tool_calls:
            yield CallDelta(None, broken["name"] or "", broken["args"] or "", broken["id"] or "")
    if old := message.additional_kwargs.get("function_call"):  # of OpenAI's functions, before tools
        yield CallDelta("function_call", old.get("name") or "", old.get("arguments") or "")
