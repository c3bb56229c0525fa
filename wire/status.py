"""Whether the server is alive, whether it takes runs, and what it has done."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from agent.runner import Runner
from wire.access import Principal

router = APIRouter(tags=["status"])


@router.get("/health")
async def health() -> dict[str, str]:
    """The process is alive."""
    return {"status": "🤙"}


@router.get("/ready", responses={503: {"description": "The server takes no more runs."}})
async def ready(request: Request) -> Response:
    """The server takes runs; false while it shuts down."""
    runner: Runner = request.app.state.runner
    return JSONResponse({"ready": runner.ready}, 200 if runner.ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, principal: Principal) -> Response:  # noqa: ARG001  wants a key
    """Counters in Prometheus' text format."""
    runner: Runner = request.app.state.runner
    return Response(runner.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
