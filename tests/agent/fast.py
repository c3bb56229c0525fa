"""What the tests of the fast stream share: frames, and how a reply is read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agent.models import OpenAICompatible
from tests.agent.models import model_on
from tests.upstream import Upstream


def frame(text: Any = None, /, finish: str | None = None, usage: Any = None, **delta: Any) -> dict:
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish}
    return {"id": "1", "choices": [choice], "usage": usage}


def data(payload: bytes) -> bytes:
    return b"data: %b\n\n" % payload


@asynccontextmanager
async def plain_model_on(upstream: Upstream, **settings: Any) -> AsyncIterator[OpenAICompatible]:
    """The same model with the SDK's own stream."""
    async with model_on(upstream, **settings) as model:
        model.async_client = model.root_async_client.chat.completions
        yield model


async def read(model: OpenAICompatible, **options: Any) -> Any:
    """The whole message, summed up."""
    whole: Any = None
    async for chunk in model.astream("Hi", **options):
        whole = chunk if whole is None else whole + chunk
    return whole


async def failure(upstream: Upstream) -> tuple[str, type[Exception]]:
    """What was said before the failure, and which it was."""
    said, error = "", None
    async with model_on(upstream) as model:
        try:
            async for chunk in model.astream("Hi"):
                said += chunk.content
        except Exception as caught:
            error = caught
    assert "secret" not in str(error)
    return said, type(error)


TOOL_CALL = [
    {
        "tool_calls": [
            {"index": 0, "id": "1", "type": "function", "function": {"name": "t", "arguments": ""}}
        ]
    },
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"a": '}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
]


def arguments_of(text: str) -> list[dict]:
    """A call, its arguments one character at a time."""
    more = [{"tool_calls": [{"index": 0, "function": {"arguments": each}}]} for each in text]
    return [TOOL_CALL[0], *more]
