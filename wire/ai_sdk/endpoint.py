"""`/api/chat`: where `useChat` asks, and where it picks up what it has lost."""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from agent.runner import Runner
from stream.log import Entry
from wire import sse
from wire.access import Principal
from wire.ai_sdk.encoder import UiMessageEncoder
from wire.ai_sdk.request import Shown, UiChatRequest
from wire.append_only import AppendOnly
from wire.asked import ThreadId
from wire.live import LiveBody, run_headers

VERSION = {"x-vercel-ai-ui-message-stream": "v1"}
router = APIRouter(tags=["AI SDK"])
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The UI message stream.",
        "content": {sse.MEDIA_TYPE: {"example": 'data: {"type":"start","messageId":"…"}\n\n'}},
    }
}
_RESUMED = _STREAM | {204: {"description": "No run is in progress on this chat."}}


@router.post("/api/chat", response_class=Response, responses=_STREAM)
async def post_ui_chat(
    request: Request, principal: Principal, body: UiChatRequest, shown: Annotated[Shown, Query()]
) -> Response:
    """Ask as the AI SDK does. The request's messages are the conversation.

    What is shown may stand in the body, or in the address: there it counts for resuming, too.
    """
    runner: Runner = request.app.state.runner
    run = await runner.start(body.as_run(), principal=principal)
    batches = runner.follow(run.id, principal=principal)
    return _response(request, batches, shown.unless(body), run_headers(run))


@router.get("/api/chat/{chat_id}/stream", response_class=Response, responses=_RESUMED)
async def get_ui_stream(
    request: Request, principal: Principal, chat_id: ThreadId, shown: Annotated[Shown, Query()]
) -> Response:
    """The chat's run in progress, told from its start. 204 when there is none."""
    runner: Runner = request.app.state.runner
    run_id = await runner.current(chat_id, principal=principal)
    if run_id is None:
        return Response(status_code=204)
    return _response(request, runner.follow(run_id, principal=principal), shown)


def _response(
    request: Request,
    batches: AsyncGenerator[list[Entry], None],
    shown: Shown,
    headers: Mapping[str, str] | None = None,
) -> Response:
    growing = AppendOnly() if shown.can_reset else request.app.state.append_only()
    encoder = UiMessageEncoder(growing, shown.include, can_reset=shown.can_reset)
    headers = {**(headers or {}), **sse.HEADERS, **VERSION}
    return LiveBody(sse.frames_with_errors(batches, encoder), sse.MEDIA_TYPE, headers)
