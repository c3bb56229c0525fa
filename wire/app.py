"""The HTTP application: the wires that are HTTP, in one FastAPI app."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware

from agent.runner import Runner
from wire import problems
from wire.access import Access
from wire.append_only import AppendOnly

MAX_BODY = 256 * 1024
"""Bytes."""
_ERROR = {
    "description": "What is wrong, as problem details (RFC 9457).",
    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class _App(FastAPI):
    """Documents errors as they are, and keys where there are any."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        components = schema["components"]
        components["schemas"]["Problem"] = problems.Problem.model_json_schema()
        if not self.state.access.wants_keys:
            components.pop("securitySchemes", None)
            for methods in schema["paths"].values():
                for operation in methods.values():
                    operation.pop("security", None)
        return schema


def create_app(
    routers: Iterable[APIRouter],
    runner: Callable[[], AbstractAsyncContextManager[Runner]],
    access: Access,
    origins: Iterable[str] = (),
    append_only: type[AppendOnly] = AppendOnly,
) -> FastAPI:
    """`runner` is opened when the app starts and closed when it stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with runner() as app.state.runner:
            yield

    app = _App(
        title="Lastword",
        summary="A LangChain agent that streams only its final answer.",
        lifespan=lifespan,
        responses={"default": _ERROR},
    )
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY)
    app.add_middleware(problems.TooLargeAsProblem)
    app.state.access = access
    app.state.append_only = append_only
    routers = list(routers)
    problems.install(app, routers)
    for router in routers:
        app.include_router(router)
    if allowed := list(origins):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],  # OpenAI's client says in a dozen of them what it runs on
            expose_headers=["X-Run-Id", "X-Thread-Id", "Content-Location", "Retry-After"],
        )
    return app
