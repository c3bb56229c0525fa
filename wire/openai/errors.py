"""Errors as OpenAI's clients know them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from stream.errors import (
    BadRequest,
    Busy,
    LastwordError,
    NotFound,
    RateLimited,
    RequestError,
    from_event,
)
from stream.events import RunCancelled, RunFailed
from wire.problems import error_headers

_CODES = {
    "unauthorized": "invalid_api_key",
    "busy": "rate_limit_exceeded",
    "rate_limited": "rate_limit_exceeded",
}
"""What these clients' programs decide by; all others are of our catalogue."""


class ModelNotFound(NotFound):
    code = "model_not_found"
    summary = "There is no such model here: see /v1/models."


class NotServed(LastwordError):
    code, status = "not_implemented", 501
    summary = "This server has no embedding model."


class Cancelled(LastwordError):
    code, status = "cancelled", 409
    summary = "The run was cancelled."


class ErrorDetails(BaseModel):
    message: str
    type: str = Field(description="Whose fault it is.")
    param: str | None = Field(description="The field that is wrong.")
    code: str = Field(description="What programs decide by.")


class OpenAIError(BaseModel):
    """What is wrong."""

    error: ErrorDetails


def failure(end: RunFailed | RunCancelled) -> LastwordError:
    """Without an answer to its end there is no completion: OpenAI knows no cancelled ones."""
    return from_event(end) if isinstance(end, RunFailed) else Cancelled()


def error_document(error: LastwordError, field: str = "") -> dict[str, Any]:
    """The body of a response, and the data of the frame that ends a stream."""
    if isinstance(error, ModelNotFound):
        field = "model"
    elif isinstance(error, BadRequest):
        field = field or error.field
    return {
        "error": {
            "message": error.message,
            "type": _type(error),
            "param": field or None,
            "code": _CODES.get(error.code, error.code),
        }
    }


def error_response(
    error: LastwordError,
    status: int | None = None,
    errors: Sequence[dict[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """As `wire.problems.problem`, in OpenAI's shape."""
    status = status or (400 if isinstance(error, BadRequest) else error.status)
    headers = error_headers(error, status, headers)
    if isinstance(error, Cancelled) or (status >= 500 and not error.retryable):
        headers["x-should-retry"] = "false"  # else OpenAI's clients would, and for nothing
    document = error_document(error, errors[0]["field"] if errors else "")
    return JSONResponse(document, status, headers)


def _type(error: LastwordError) -> str:
    if isinstance(error, Busy | RateLimited):
        return "rate_limit_error"
    if isinstance(error, Cancelled):
        return "cancelled"
    return "invalid_request_error" if isinstance(error, RequestError) else "server_error"
