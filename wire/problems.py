"""Errors before the first byte: problem details (RFC 9457) with the right status."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.errors import BadRequest, Internal, LastwordError, NotFound, TooLarge

MEDIA_TYPE = "application/problem+json"
MAX_REPORTED = 5
METHODS = ("DELETE", "GET", "HEAD", "POST")
_BY_STATUS: dict[int, type[LastwordError]] = {404: NotFound}


def install(app: FastAPI) -> None:
    """Have the app answer every error as problem details."""
    app.add_exception_handler(LastwordError, _on_ours)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_bug)


class Problem(BaseModel):
    """What an error looks like, for the documentation."""

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
    if errors:
        body["errors"] = list(errors)
    headers = dict(headers or {})
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    if body["status"] == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, body["status"], headers, media_type=MEDIA_TYPE)


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
                await problem(TooLarge())(scope, receive, send)
            elif not refused:
                await send(message)

        await self._app(scope, receive, relay)


async def _on_ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LastwordError)  # noqa: S101  what it was registered for
    return problem(error)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  for the type checker
    if error.status_code == 400:  # FastAPI could not read the body at all
        return problem(BadRequest("The body is not JSON in UTF-8, or is nested too deeply."))
    kind = _BY_STATUS.get(error.status_code, BadRequest)
    if error.status_code == 405:
        unknown = kind("This address does not know this method.")
        return problem(unknown, 405, headers={"Allow": ", ".join(_allowed(request))})
    return problem(kind(), error.status_code, headers=error.headers)


def _allowed(request: Request) -> Iterator[str]:
    """All methods of an address: Starlette names those of its first route only."""
    for method in METHODS:
        asked = {"type": "http", "method": method, "path": request.scope["path"]}
        if any(route.matches(asked)[0] is Match.FULL for route in request.app.routes):
            yield method


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    """Names at most five fields, and never repeats the input: it may be large, or a secret."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  for the type checker
    errors = [
        {"field": _field(each["loc"]), "message": _message(each)}
        for each in error.errors()[:MAX_REPORTED]
    ]
    summary = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    return problem(BadRequest(summary), errors=errors)


async def _on_bug(_: Request, __: Exception) -> JSONResponse:
    """Starlette raises it again once this is sent, and so it is logged."""
    return problem(Internal())


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "model_attributes_type":  # the commonest mistake with curl
        return "send a JSON object, with Content-Type: application/json"
    return str(error["msg"]).removeprefix("Value error, ")[:200]


def _field(location: Sequence[str | int]) -> str:
    names = [str(part) for part in location if part not in {"body", "query", "path", "header"}]
    return ".".join(names)[:100].encode("utf-8", "replace").decode() or str(location[0])
