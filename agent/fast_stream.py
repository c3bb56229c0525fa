"""The OpenAI-compatible stream, read as plain dicts and merged where that costs no latency.

The SDK builds a pydantic object for every frame, which langchain-openai dumps
to a dict again: most of what a token costs. Here frames stay the dicts that the
JSON parser made, and the text of frames that arrived *in one read* becomes one
chunk: nobody waits for it, and the busier the server, the cheaper a token.
Requests, retries and errors remain the SDK's own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import httpx2
import orjson
from openai import AsyncOpenAI, AsyncStream

from stream.errors import (
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from stream.patience import Patience

FIRST_TOKEN_TIMEOUT = 60.0
BETWEEN_TOKENS_TIMEOUT = 30.0
DRAIN_TIMEOUT = 1.0
MAX_FRAME = 16 * 2**20
"""Bytes. A longer line is no token."""

Frame = dict[str, Any]


class FastCompletions:
    """Stands where langchain-openai expects the SDK's `chat.completions`."""

    _NOT_BODY = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self._completions = client.chat.completions

    async def create(self, **payload: Any) -> Any:
        if not payload.get("stream") or self._NOT_BODY & payload.keys():
            return await self._completions.create(**payload)
        return await self._client.post(
            "/chat/completions",
            body=payload,
            cast_to=object,
            stream=True,
            stream_cls=MergingStream,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._completions, name)


class MergingStream(AsyncStream[object]):
    """Yields frames as dicts. Ends only after a finish reason; anything else is an error."""

    async def __stream__(self) -> AsyncIterator[object]:
        finished = False
        try:
            async for frames in self._reads():
                for frame in merged(frames):
                    finished = finished or _finishes(frame)
                    yield frame
        finally:
            await self.response.aclose()
        if not finished:
            raise UpstreamTruncated

    async def _reads(self) -> AsyncIterator[list[Frame]]:
        """The frames that each read from the network completed."""
        reads, rest = _Reads(self.response), b""
        try:
            while (data := await reads.next()) is not None:
                *lines, rest = (rest + data).split(b"\n") if b"\n" in data else (rest + data,)
                if len(rest) > MAX_FRAME:
                    raise UpstreamMalformed
                payloads = [line[5:].strip() for line in lines if line.startswith(b"data:")]
                frames, error = _parsed(payloads)
                if frames:
                    reads.expect_within(BETWEEN_TOKENS_TIMEOUT)
                    yield frames
                if error:
                    raise error
                if b"[DONE]" in payloads:
                    await reads.drain()
                    return
        finally:
            reads.close()
        if rest.startswith(b"data:") and rest[5:].strip() != b"[DONE]":
            raise UpstreamTruncated
        if not _is_event_stream(self.response):
            raise UpstreamMalformed


class _Reads:
    """Reads a response's body, and not for ever; failures are ours by name."""

    def __init__(self, response: httpx2.Response) -> None:
        self._bytes = aiter(response.aiter_bytes())
        self._patience = Patience(FIRST_TOKEN_TIMEOUT)

    def expect_within(self, seconds: float) -> None:
        if seconds != self._patience.seconds:
            self._patience.close()
            self._patience = Patience(seconds)

    async def next(self) -> bytes | None:
        """What one read gave; None at the end of the body."""
        try:
            with self._patience:
                return await anext(self._bytes, None)
        except (TimeoutError, httpx2.TimeoutException):
            raise UpstreamTimeout from None
        except httpx2.HTTPError:
            raise UpstreamTruncated from None

    async def drain(self) -> None:
        """Read to the end, so that the connection can serve the next request."""
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT):  # in all: comments may come for ever
                while await self.next() is not None:
                    pass
        except (TimeoutError, UpstreamTruncated):
            pass

    def close(self) -> None:
        self._patience.close()


def merged(frames: list[Frame]) -> Iterator[Frame]:
    """Joins neighbouring frames that carry text and nothing else; the others pass as they are."""
    held: Frame | None = None
    texts: list[str] = []
    for frame in frames:
        text = only_text(frame)
        if text is not None and held is not None:
            texts.append(text)
            continue
        if held is not None:
            yield _with_text(held, texts)
            held = None
        if text is None:
            yield frame
        else:
            held, texts = frame, [text]
    if held is not None:
        yield _with_text(held, texts)


def only_text(frame: Frame) -> str | None:
    """The text of a frame that carries nothing else, so that it may join its neighbours."""
    choices = frame.get("choices")
    if not choices or len(choices) != 1 or frame.get("usage"):
        return None
    choice = choices[0]
    if choice.get("finish_reason") or choice.get("logprobs") or choice.get("index"):
        return None
    delta = choice.get("delta")
    if not delta or not isinstance(text := delta.get("content"), str):
        return None
    for key, value in delta.items():
        if value and key not in {"content", "role"}:
            return None
    return text


def _with_text(frame: Frame, texts: list[str]) -> Frame:
    if len(texts) > 1:
        frame["choices"][0]["delta"]["content"] = "".join(texts)
    return frame


def _finishes(frame: Frame) -> bool:
    return any(choice.get("finish_reason") for choice in frame.get("choices") or ())


def _parsed(payloads: list[bytes]) -> tuple[list[Frame], UpstreamError | None]:
    """The frames up to the end or an error. What arrived together with that still counts."""
    frames: list[Frame] = []
    try:
        for payload in payloads:
            if payload == b"[DONE]":
                break
            frames.append(_parse(payload))
    except UpstreamError as error:
        return frames, error
    return frames, None


def _parse(payload: bytes) -> Frame:
    try:
        frame = orjson.loads(payload)
    except ValueError:
        frame = _parse_leniently(payload)
    if not isinstance(frame, dict) or not _well_formed(frame):
        raise UpstreamMalformed
    if frame.get("error"):
        raise UpstreamUnavailable("The model's server reported an error in its stream.")
    return frame


def _parse_leniently(payload: bytes) -> object:
    """The standard library accepts a lone surrogate's escape, which orjson refuses."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        raise UpstreamMalformed from None


def _well_formed(frame: Frame) -> bool:
    """Whether langchain-openai can read it: it would raise a bare TypeError otherwise."""
    choices = frame.get("choices")
    if choices is None:
        return True
    return isinstance(choices, list) and all(
        isinstance(choice, dict) and isinstance(choice.get("delta"), dict) for choice in choices
    )


def _is_event_stream(response: httpx2.Response) -> bool:
    return cast("str", response.headers.get("content-type", "")).startswith("text/event-stream")
