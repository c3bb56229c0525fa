"""Whether the server is alive, whether it takes runs, and what it has done."""

from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from agent.runner import Runner
from wire.access import Principal

router = APIRouter(tags=["status"])
_HEALTH: dict[str, Any] = {"content": {"application/json": {"example": {"status": "🤙"}}}}
_READY: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": {"ready": True}}}},
    503: {
        "description": "The server takes no more runs.",
        "content": {"application/json": {"example": {"ready": False}}},
    },
}
_METRICS = {"content": {"text/plain": {"example": "lastword_runs_started_total 7.0\n"}}}


@router.get("/health", responses={200: _HEALTH})
async def health() -> dict[str, str]:
    """The process is alive."""
    return {"status": "🤙"}


@router.get("/ready", responses=_READY)
async def ready(request: Request) -> Response:
    """The server takes runs; false while it shuts down."""
    runner: Runner = request.app.state.runner
    return JSONResponse({"ready": runner.ready}, 200 if runner.ready else 503)


@router.get("/metrics", response_class=Response, responses={200: _METRICS})
async def metrics(request: Request, principal: Principal) -> Response:  # noqa: ARG001  wants a key
    """Counters in Prometheus' text format."""
    runner: Runner = request.app.state.runner
    return Response(runner.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
