"""`POST /ag-ui`: ask as an AG-UI client, or hear a run again that got lost on the way."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from agent.runner import Runner
from stream.errors import BadRequest, NotFound
from stream.log import Run
from wire import sse
from wire.access import Principal
from wire.ag_ui.encoder import AgUiEncoder, Names
from wire.ag_ui.request import Resume, RunAgentInput
from wire.live import LiveBody, run_headers

router = APIRouter(tags=["ag-ui"])
MAX_DEPTH = 200
"""Brackets in each other; beyond, what can be read may be too deep to be written again."""
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The run's events, up to its `RUN_FINISHED` or `RUN_ERROR`.",
        "content": {
            sse.MEDIA_TYPE: {
                "example": 'data: {"type":"RUN_STARTED","threadId":"thread-1","runId":"run-1"}\n\n'
            }
        },
    }
}


@router.post("/ag-ui", response_class=Response, responses=_RESPONSES)
async def post_ag_ui(request: Request, principal: Principal, asked: RunAgentInput) -> Response:
    """Ask. `forwardedProps.lastword` asks for nothing, but to hear a run again."""
    runner: Runner = request.app.state.runner
    messages = (await request.json())["messages"]  # as they came, whatever else is in them
    again = asked.props.lastword
    if again:
        _require_tellable(messages)
        run = await _again(runner, asked.thread_id, again, principal)
    else:
        run = await runner.start(asked.as_run(), principal=principal)
    names = Names(asked.thread_id, asked.run_id, asked.parent_run_id)
    encoder = AgUiEncoder(
        names,
        request.app.state.append_only(),
        asked.props.include,
        messages,
        again=again is not None,
    )
    batches = runner.follow(run.id, principal=principal)
    return LiveBody(
        sse.frames_with_errors(batches, encoder), sse.MEDIA_TYPE, run_headers(run) | sse.HEADERS
    )


def _require_tellable(messages: list[Any]) -> None:
    """Raises `BadRequest` for what is nested more deeply than can be sure to be told again."""
    level: list[Any] = [messages]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise BadRequest("are nested too deeply", field="messages")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


async def _again(runner: Runner, thread_id: str, wanted: Resume, principal: str) -> Run:
    run_id = wanted.run_id or await runner.current(thread_id, principal=principal)
    if run_id is None:
        raise NotFound("No run is in progress on this thread.")
    run = await runner.find(run_id, principal=principal)
    if run.thread_id != thread_id:
        raise NotFound("There is no such run on this thread.")
    return run
