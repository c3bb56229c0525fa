"""Runs and threads by their ids: look again, resume, cancel, forget."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from agent.runner import Runner
from stream.errors import NotFound
from stream.log import START, Cursor
from wire import sse
from wire.access import Principal
from wire.live import LiveBody
from wire.named import DEFAULT_EXTRAS, Extra, sources_json, usage_json

router = APIRouter(tags=["runs"])
Id = Annotated[str, Path(max_length=128)]
After = Annotated[str | None, Query(max_length=64)]
LastEventId = Annotated[str | None, Header(max_length=64)]
_RUN = {
    "run_id": "7c9e04",
    "thread_id": "3f1c9a",
    "created": "2026-01-01T00:00:00+00:00",
    "model": "offline",
    "question": "What is the square root of 71?",
    "state": "completed",
    "answer": "The square root of 71 is 8.426149773176359.",
    "first_cursor": "1",
    "last_cursor": "9",
    "finish_reason": "stop",
    "usage": {"input_tokens": 12, "output_tokens": 34, "total_tokens": 46},
    "sources": [],
}
_SAID = [
    {"role": "user", "content": "What is the square root of 71?"},
    {"role": "assistant", "content": "The square root of 71 is 8.426149773176359."},
]
_FRAME = 'event: delta\ndata: {"text":"The"}\nid: 2\n\n'


def _example(description: str, example: Any, media_type: str = "application/json") -> Any:
    return {"description": description, "content": {media_type: {"example": example}}}


_EVENTS: dict[int | str, dict[str, Any]] = {
    200: _example("The events.", _FRAME, sse.MEDIA_TYPE),
    204: {"description": "The run is over, and there is nothing after the cursor."},
}


@router.get("/runs/{run_id}", responses={200: _example("The run.", _RUN)})
async def get_run(request: Request, run_id: Id, principal: Principal) -> dict[str, Any]:
    """The run's state, and its answer so far."""
    runner: Runner = request.app.state.runner
    run = await runner.find(run_id, principal=principal)
    transcript = await runner.transcript(run_id, principal=principal)
    return {
        "run_id": run.id,
        "thread_id": run.thread_id,
        "created": run.created.isoformat(),
        "model": run.model,
        "question": run.question,
        "state": transcript.state,
        "answer": transcript.answer,
        "first_cursor": transcript.first,
        "last_cursor": transcript.last,
        "finish_reason": transcript.finish_reason,
        "usage": usage_json(transcript.usage),
        **sources_json(transcript.sources, transcript.end),
    }


@router.get("/runs/{run_id}/events", response_class=Response, responses=_EVENTS)
async def get_events(
    request: Request,
    run_id: Id,
    principal: Principal,
    after: After = None,
    last_event_id: LastEventId = None,
    include: Annotated[list[Extra] | None, Query(max_length=3)] = None,
) -> Response:
    """The run's events after a cursor, on to its end. 204 when there will be none."""
    runner: Runner = request.app.state.runner
    cursor = Cursor(last_event_id or after or START)
    if await runner.is_over(run_id, cursor, principal=principal):
        return Response(status_code=204)  # what stops a browser's EventSource from coming back
    batches = runner.follow(run_id, cursor, principal=principal)
    extras = DEFAULT_EXTRAS if include is None else include
    return LiveBody(sse.frames(batches, extras), sse.MEDIA_TYPE, sse.HEADERS)


@router.delete("/runs/{run_id}", status_code=204)
async def cancel_run(request: Request, run_id: Id, principal: Principal) -> None:
    """Stop the run. What it answered until then stays, and is remembered."""
    runner: Runner = request.app.state.runner
    await runner.cancel(run_id, principal=principal)


@router.get(
    "/threads/{thread_id}",
    responses={200: _example("The messages.", {"thread_id": "3f1c9a", "messages": _SAID})},
)
async def get_thread(request: Request, thread_id: Id, principal: Principal) -> dict[str, Any]:
    """The conversation, as far as it is remembered."""
    runner: Runner = request.app.state.runner
    exchanges = await runner.conversation(thread_id, principal=principal)
    if not exchanges:
        raise NotFound("There is no such thread.")
    messages = [message for exchange in exchanges for message in exchange.messages()]
    return {"thread_id": thread_id, "messages": messages}


@router.delete("/threads/{thread_id}", status_code=204)
async def forget_thread(request: Request, thread_id: Id, principal: Principal) -> None:
    """Forget the conversation."""
    runner: Runner = request.app.state.runner
    await runner.forget(thread_id, principal=principal)
