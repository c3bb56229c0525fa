"""One frame of an OpenAI-compatible stream, as the dict that the JSON parser made.

Servers of every kind speak this format, and langchain-openai believes each field:
a frame is checked here, or is so plainly a piece of text that there is nothing to check.
"""

import json
from typing import Annotated, Any, Required, TypeAlias

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from stream.errors import UpstreamMalformed, UpstreamUnavailable

Frame = dict[str, Any]


def parse(payload: bytes) -> Frame:
    """Raises `UpstreamMalformed`, `UpstreamUnavailable`."""
    try:
        frame = orjson.loads(payload)
    except ValueError:
        frame = _parse_leniently(payload)
    if not isinstance(frame, dict):
        raise UpstreamMalformed
    if frame.get("error"):
        raise UpstreamUnavailable("The model's server reported an error in its stream.")
    if only_text(frame) is None:
        _check(frame)
    return frame


def only_text(frame: Frame) -> str | None:
    """The text of a frame that carries nothing else: nearly every frame, so this is quick."""
    try:
        choices = frame["choices"]
        choice = choices[0]
        delta = choice["delta"]
        text = delta["content"]
        if not isinstance(text, str) or len(choices) != 1 or frame.get("usage"):
            return None
        if choice.get("finish_reason") or choice.get("logprobs") or choice.get("index"):
            return None
        for key, value in delta.items():
            if value and key not in {"content", "role"}:
                return None
    except (AttributeError, LookupError, TypeError):
        return None
    return text


def says_something(frame: Frame) -> bool:
    """Whether it is of the reply, and not about it."""
    return bool(frame.get("choices"))


def finishes(frame: Frame) -> bool:
    return any(choice.get("finish_reason") for choice in frame.get("choices") or ())


def _parse_leniently(payload: bytes) -> object:
    """The standard library accepts a lone surrogate's escape, which orjson refuses."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        raise UpstreamMalformed from None


def _check(frame: Frame) -> None:
    try:
        _SHAPE.validate_python(frame, strict=True)
    except ValidationError:
        raise UpstreamMalformed from None


# What langchain-openai reads. Anything else may stand beside it.

_Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**53)] | None


class _Details(TypedDict, total=False):
    audio_tokens: _Count
    cached_tokens: _Count
    cache_write_tokens: _Count
    reasoning_tokens: _Count


class _Usage(TypedDict, total=False):
    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count
    prompt_tokens_details: _Details | None
    completion_tokens_details: _Details | None


class _Function(TypedDict, total=False):
    name: str | None
    arguments: str | None


class _Call(TypedDict, total=False):
    index: int | None
    id: str | None
    function: Required[_Function]


class _Delta(TypedDict, total=False):
    role: str | None
    content: str | list[str | dict[str, Any]] | None
    tool_calls: list[_Call] | None
    function_call: _Function | None


class _Choice(TypedDict, total=False):
    delta: Required[_Delta]
    finish_reason: str | None
    logprobs: dict[str, Any] | None


class _Shape(TypedDict, total=False):
    choices: list[_Choice] | None
    usage: _Usage | None
    model: str | None
    system_fingerprint: str | None
    service_tier: str | None


_SHAPE = TypeAdapter(_Shape)
