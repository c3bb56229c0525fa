"""`/chat`: ask the agent; its final answer comes as plain text, as events, or as JSON."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from starlette.responses import JSONResponse, Response

from agent.memory import Exchange
from agent.request import exchanges
from agent.runner import Runner
from stream.errors import BadRequest, LastwordError, from_event
from stream.events import RunFailed
from stream.log import Entry, Run
from stream.transcript import Transcript
from wire import sse
from wire.access import Principal
from wire.append_only import AppendOnly
from wire.asked import ChatRequest, Strict, Text, ThreadId
from wire.live import CutOff, Late, LiveBody, run_headers
from wire.named import sources_json, usage_json
from wire.problems import problem

PLAIN_TEXT = "text/plain; charset=utf-8"


class ChatQuery(Strict):
    """A question in the address. What else a request may say goes into a body."""

    text: Text | None = None
    thread_id: ThreadId | None = None


router = APIRouter(tags=["chat"])
_WHOLE = {
    "input": "What is the square root of 71?",
    "chat_history": [],
    "output": "The square root of 71 is 8.426149773176359.",
    "thread_id": "3f1c9a",
    "run_id": "7c9e04",
    "finish_reason": "stop",
    "usage": {"input_tokens": 12, "output_tokens": 34, "total_tokens": 46},
    "sources": [],
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer: by `Accept` as text, as events, or as one JSON document.",
        "content": {
            "text/plain": {"example": "The square root of 71 is 8.426149773176359."},
            "text/event-stream": {"example": 'event: delta\ndata: {"text":"The"}\nid: 2\n\n'},
            "application/json": {"example": _WHOLE},
        },
    }
}


@router.post("/chat", response_class=Response, responses=_RESPONSES)
async def post_chat(request: Request, principal: Principal, body: ChatRequest) -> Response:
    """Ask. The final answer streams back while the model writes it."""
    return await _ask(request, principal, body)


@router.get("/chat", response_class=Response, responses=_RESPONSES)
async def get_chat(
    request: Request,
    principal: Principal,
    query: Annotated[ChatQuery, Query()],
    body: Annotated[ChatRequest | None, Body()] = None,
) -> Response:
    """Ask by `?text=`, or with a JSON body as in POST."""
    if body is None:
        if query.text is None:
            raise BadRequest("is missing", field="text")
        body = ChatRequest(text=query.text, thread_id=query.thread_id)
    elif query.model_fields_set:
        raise BadRequest("stands in the address and in the body", field="text")
    return await _ask(request, principal, body)


async def _ask(request: Request, principal: str, asked: ChatRequest) -> Response:
    runner: Runner = request.app.state.runner
    wanted = _wanted(request, asked)
    history = await _history(runner, asked, principal) if wanted == "application/json" else []
    run = await runner.start(asked.as_run(), principal=principal)
    headers = run_headers(run)
    batches = runner.follow(run.id, principal=principal)
    if wanted == sse.MEDIA_TYPE:
        body = sse.frames(batches, asked.include)
        return LiveBody(body, sse.MEDIA_TYPE, headers | sse.HEADERS)
    if wanted == "application/json":
        return Late(lambda: _or_problem(_whole(run, history, batches, headers), headers))
    pieces = _pieces(batches, request.app.state.append_only())
    return Late(lambda: _or_problem(_streamed(pieces, headers), headers))


async def _or_problem(response: Awaitable[Response], headers: dict[str, str]) -> Response:
    """A run that failed before its first character still says which run it was."""
    try:
        return await response
    except LastwordError as error:
        return problem(error, headers=headers)


def _wanted(request: Request, asked: ChatRequest) -> str:
    """The first of our media types that the client accepts; plain text for `*/*`."""
    if not asked.stream:
        return "application/json"
    for accepted in request.headers.get("accept", "").lower().split(","):
        media_type = accepted.partition(";")[0].strip()
        if media_type in {"text/plain", "application/json", sse.MEDIA_TYPE}:
            return media_type
    return "text/plain"


async def _history(runner: Runner, asked: ChatRequest, principal: str) -> list[Exchange]:
    if (given := asked.messages()) is not None:
        return exchanges(given)
    if asked.thread_id is None:
        return []
    return await runner.conversation(asked.thread_id, principal=principal)


async def _streamed(pieces: AsyncGenerator[bytes, None], headers: dict[str, str]) -> Response:
    """Plain text; its head waits for the first character, so that a failure has a status."""
    first = await anext(pieces, b"")

    async def body() -> AsyncGenerator[bytes, None]:
        async with aclosing(pieces):
            yield first
            try:
                async for piece in pieces:
                    yield piece
            except Exception as error:
                # Plain text cannot say that it failed; it must not look complete.
                raise CutOff from error

    return LiveBody(body(), PLAIN_TEXT, headers | sse.HEADERS)


async def _pieces(
    batches: AsyncGenerator[list[Entry], None], growing: AppendOnly
) -> AsyncGenerator[bytes, None]:
    async with aclosing(batches):
        async for batch in batches:
            if text := growing.text(batch):
                yield text.encode()
            if batch and isinstance(failed := batch[-1].event, RunFailed):
                raise from_event(failed)


async def _whole(
    run: Run,
    history: list[Exchange],
    batches: AsyncGenerator[list[Entry], None],
    headers: dict[str, str],
) -> Response:
    transcript = Transcript()
    async with aclosing(batches):
        async for batch in batches:
            transcript.read(batch)
    if isinstance(transcript.end, RunFailed):
        raise from_event(transcript.end)
    answer = {
        "input": run.question,
        "chat_history": [message for exchange in history for message in exchange.messages()],
        "output": transcript.answer,
        "thread_id": run.thread_id,
        "run_id": run.id,
        "finish_reason": transcript.finish_reason,
        "usage": usage_json(transcript.usage),
        **sources_json(transcript.sources, transcript.end),
    }
    return JSONResponse(answer, headers=headers)
