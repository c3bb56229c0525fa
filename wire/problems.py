"""Errors before the first byte: problem details (RFC 9457) with the right status."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.errors import BadRequest, Internal, LastwordError, NotFound, TooLarge

MEDIA_TYPE = "application/problem+json"
MAX_REPORTED = 5
METHODS = ("DELETE", "GET", "HEAD", "POST")
_BY_STATUS: dict[int, type[LastwordError]] = {404: NotFound}


class Shape(Protocol):
    """How errors look. `errors` names the fields that are wrong."""

    def __call__(
        self,
        error: LastwordError,
        status: int | None = None,
        errors: Sequence[dict[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response: ...


class ShapedRouter(APIRouter):
    """Of a protocol in which errors look otherwise: all of them below its prefix."""

    def __init__(self, prefix: str, shape: Shape, **options: Any) -> None:
        super().__init__(prefix=prefix, **options)
        self.shape = shape


def install(app: FastAPI, routers: Iterable[APIRouter] = ()) -> None:
    """Have the app answer every error as problem details, or as its protocol has them."""
    shaped = [router for router in routers if isinstance(router, ShapedRouter)]
    app.state.shapes = {router.prefix: router.shape for router in shaped}
    app.add_exception_handler(LastwordError, _on_ours)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_bug)


class Problem(BaseModel):
    """What an error looks like, for the documentation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "This thread is busy with another run.",
                    "status": 409,
                    "detail": "This thread is busy with another run.",
                    "code": "conflict",
                    "retryable": False,
                }
            ]
        }
    )
    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Of our catalogue: what programs decide by.")
    retryable: bool
    errors: list[dict[str, str]] = Field([], description="`field` and `message` of at most five.")


def problem(
    error: LastwordError,
    status: int | None = None,
    errors: Sequence[dict[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """`errors` names the fields that are wrong."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": error.summary,
        "status": status or error.status,
        "detail": error.message,
        "code": error.code,
        "retryable": error.retryable,
    }
    if not errors and isinstance(error, BadRequest) and error.field:
        errors = [{"field": error.field, "message": error.message}]
    if errors:
        body["errors"] = list(errors)
    headers = error_headers(error, body["status"], headers)
    return JSONResponse(body, body["status"], headers, media_type=MEDIA_TYPE)


def error_headers(
    error: LastwordError, status: int, headers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """These, and what HTTP itself has to say of an error."""
    headers = dict(headers or {})
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _shape(scope: Scope) -> Shape:
    for prefix, shape in scope["app"].state.shapes.items():
        if scope["path"].startswith(f"{prefix}/"):
            found: Shape = shape
            return found
    return problem


class TooLargeAsProblem:
    """Starlette's body limit answers in plain text, whatever the app's handlers are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def relay(message: Message) -> None:
            nonlocal refused
            if message.get("status") == TooLarge.status:
                refused = True
                await _shape(scope)(TooLarge())(scope, receive, send)
            elif not refused:
                await send(message)

        await self._app(scope, receive, relay)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, LastwordError)  # noqa: S101  what it was registered for
    return _shape(request.scope)(error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  for the type checker
    shape = _shape(request.scope)
    if error.status_code == 400:  # FastAPI could not read the body at all
        return shape(BadRequest("The body is not JSON in UTF-8, or is nested too deeply."))
    kind = _BY_STATUS.get(error.status_code, BadRequest)
    if error.status_code == 405:
        unknown = kind("This address does not know this method.")
        return shape(unknown, 405, headers={"Allow": ", ".join(_allowed(request))})
    return shape(kind(), error.status_code, headers=error.headers)


def _allowed(request: Request) -> Iterator[str]:
    """All methods of an address: Starlette names those of its first route only."""
    for method in METHODS:
        asked = {"type": "http", "method": method, "path": request.scope["path"]}
        if any(route.matches(asked)[0] is Match.FULL for route in request.app.routes):
            yield method


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Names at most five fields, and never repeats the input: it may be large, or a secret."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  for the type checker
    errors = explained(error.errors())
    summary = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    return _shape(request.scope)(BadRequest(summary), errors=errors)


def explained(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """`field` and `message` of the first of pydantic's errors."""
    return [
        {"field": _field(each["loc"]), "message": _message(each)} for each in errors[:MAX_REPORTED]
    ]


async def _on_bug(request: Request, _: Exception) -> Response:
    """Starlette raises it again once this is sent, and so it is logged."""
    return _shape(request.scope)(Internal())


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "model_attributes_type":  # the commonest mistake with curl
        return "send a JSON object, with Content-Type: application/json"
    return str(error["msg"]).removeprefix("Value error, ")[:200]


def _field(location: Sequence[str | int]) -> str:
    names = [str(part) for part in location if part not in {"body", "query", "path", "header"}]
    return ".".join(names)[:100].encode("utf-8", "replace").decode() or str(location[0])
