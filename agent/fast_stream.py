"""The OpenAI-compatible stream, read as plain dicts and merged where that costs no latency.

The SDK builds a pydantic object for every frame, which langchain-openai dumps
to a dict again: most of what a token costs. Here frames stay the dicts that the
JSON parser made. Requests, retries and errors remain the SDK's own.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2
from openai import AsyncOpenAI, AsyncStream

from agent.arguments import Arguments
from agent.decoder import Decoder
from agent.frames import Frame, finishes, says_something
from agent.merging import merged
from stream.errors import UpstreamMalformed, UpstreamTimeout, UpstreamTruncated
from stream.patience import Patience

FIRST_TOKEN_TIMEOUT = 60.0
BETWEEN_TOKENS_TIMEOUT = 30.0
DRAIN_TIMEOUT = 1.0
"""For what may follow a finish reason: usage, `[DONE]`, the end of the body."""

MAX_FRAME = 16 * 2**20
"""Bytes. A longer line is no token."""


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
        reads, arguments = _Reads(self.response), Arguments()
        try:
            while frames := await reads.next():
                for frame in merged(frames):
                    arguments.add(frame)
                    yield frame
        except (UpstreamTimeout, UpstreamTruncated):
            if not reads.finished:  # else the reply is whole, and only usage may be missing
                raise
        finally:
            reads.close()
            await self.response.aclose()
        if not reads.finished:
            raise UpstreamTruncated
        arguments.check()


class _Reads:
    """What a response says, and no waiting for ever; failures are ours by name."""

    def __init__(self, response: httpx2.Response) -> None:
        self.finished = False  # a finish reason came
        self._response = response
        self._bytes = aiter(response.aiter_bytes())
        self._decoder = Decoder(MAX_FRAME)
        self._patience = Patience(FIRST_TOKEN_TIMEOUT)
        self._end_at = 0.0

    async def next(self) -> list[Frame]:
        """The frames that the next read completed; [] at the end."""
        try:
            with self._patience:  # until frames come: comments may come for ever
                frames = await self._read()
        except (TimeoutError, httpx2.TimeoutException):
            raise UpstreamTimeout from None
        except httpx2.DecodingError:
            raise UpstreamMalformed from None
        except httpx2.HTTPError:
            raise UpstreamTruncated from None
        self._expect_more(frames)
        return frames

    def close(self) -> None:
        self._patience.close()

    async def _read(self) -> list[Frame]:
        decoder = self._decoder
        while self.finished or not decoder.done:  # to the end: the connection serves again
            if decoder.error:
                raise decoder.error
            if (data := await anext(self._bytes, None)) is None:
                break
            if frames := decoder.feed(data):
                return frames
        decoder.close()
        if not (decoder.done or _is_event_stream(self._response)):
            raise UpstreamMalformed
        return []

    def _expect_more(self, frames: list[Frame]) -> None:
        seconds, now = BETWEEN_TOKENS_TIMEOUT, asyncio.get_running_loop().time()
        self.finished = self.finished or any(map(finishes, frames))
        if self.finished:
            if any(map(says_something, frames)):
                self._end_at = now + DRAIN_TIMEOUT
            seconds = max(self._end_at - now, 0.001)
        if seconds != self._patience.seconds:
            self._patience.close()
            self._patience = Patience(seconds)


def _is_event_stream(response: httpx2.Response) -> bool:
    return cast("str", response.headers.get("content-type", "")).startswith("text/event-stream")
