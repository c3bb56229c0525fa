"""A reply as LangChain hands it over: one message chunk after the other."""

from typing import NamedTuple

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from bench.fidelity.cuts import Cut
from bench.fidelity.transcripts import Reply


class Token(NamedTuple):
    """What `on_llm_new_token` is given, and how much of the reply is out with it."""

    text: str
    chunk: ChatGenerationChunk
    read: int


def tokens_of(reply: Reply, cut: Cut) -> list[Token]:
    """First an empty one, as providers send it. A call begins with its name."""
    messages = [AIMessageChunk(content=piece) for piece in ["", *cut(reply.text)]]
    for at, (name, arguments) in enumerate(reply.calls):
        messages.append(_call(at, name, "", f"call_{at}"))
        messages += [_call(at, None, piece, None) for piece in cut(arguments)]
    tokens, read = [], 0
    for message in messages:
        text = str(message.content)
        read += len(text) + sum(len(call["args"] or "") for call in message.tool_call_chunks)
        tokens.append(Token(text, ChatGenerationChunk(message=message), read))
    return tokens


def _call(at: int, name: str | None, arguments: str, id_: str | None) -> AIMessageChunk:
    call = tool_call_chunk(name=name, args=arguments, id=id_, index=at)
    return AIMessageChunk(content="", tool_call_chunks=[call])
