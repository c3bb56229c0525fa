"""Our errors as gRPC has them: a status, our own words, and the rest as trailing metadata.

`google.rpc.ErrorInfo` would want a package of its own only to carry a code.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from grpc import StatusCode
from grpc.aio import ServicerContext

from stream.errors import BadRequest, Internal, LastwordError

Context: TypeAlias = ServicerContext[Any, Any]

STATUSES: Mapping[str, StatusCode] = {
    "bad_request": StatusCode.INVALID_ARGUMENT,
    "unauthorized": StatusCode.UNAUTHENTICATED,
    "forbidden": StatusCode.PERMISSION_DENIED,
    "not_found": StatusCode.NOT_FOUND,
    # Not FAILED_PRECONDITION: nothing is to be mended, it works again when the other run is over.
    "conflict": StatusCode.ABORTED,
    "gone": StatusCode.OUT_OF_RANGE,
    "too_large": StatusCode.RESOURCE_EXHAUSTED,
    "busy": StatusCode.RESOURCE_EXHAUSTED,
    "rate_limited": StatusCode.RESOURCE_EXHAUSTED,
    "upstream_unavailable": StatusCode.UNAVAILABLE,
    "upstream_rejected": StatusCode.FAILED_PRECONDITION,
    "upstream_timeout": StatusCode.DEADLINE_EXCEEDED,
    "upstream_truncated": StatusCode.UNAVAILABLE,
    "upstream_malformed": StatusCode.INTERNAL,
    "content_filtered": StatusCode.FAILED_PRECONDITION,
    "unreadable_reply": StatusCode.INTERNAL,
    "iteration_limit": StatusCode.INTERNAL,
    "run_timeout": StatusCode.DEADLINE_EXCEEDED,
    "producer_lost": StatusCode.UNAVAILABLE,
    "storage_lost": StatusCode.UNAVAILABLE,
    "server_shutdown": StatusCode.UNAVAILABLE,
    "internal": StatusCode.INTERNAL,
}
_log = logging.getLogger("lastword.rpc")


class Slow(Exception):
    """The client has taken nothing for too long."""


async def answered(context: Context, work: Callable[[], Awaitable[Any]]) -> Any:
    """What the work returns, or the call's end with the status of what it raised."""
    try:
        return await work()
    except LastwordError as error:
        await _abort(context, error)
    except Slow:
        words = "Nothing was read for too long. Resume from the last cursor."
        await context.abort(StatusCode.UNAVAILABLE, words)
    except Exception:  # noqa: BLE001  gRPC would tell the client what it says
        _log.exception("A call failed.")
        await _abort(context, Internal())


async def _abort(context: Context, error: LastwordError) -> None:
    status = STATUSES.get(error.code, StatusCode.UNKNOWN)
    await context.abort(status, error.message, trailers(error))


def trailers(error: LastwordError) -> tuple[tuple[str, str], ...]:
    found = {"lastword-code": error.code, "lastword-retryable": str(error.retryable).lower()}
    if isinstance(error, BadRequest) and error.field:
        found["lastword-field"] = error.field
    if error.retry_after:
        found["grpc-retry-pushback-ms"] = str(error.retry_after * 1000)  # gRPC's own name for it
    return tuple(found.items())
