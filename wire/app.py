"""The HTTP application: the wires that are HTTP, in one FastAPI app."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware

from agent.runner import Runner
from wire import problems
from wire.access import Access

MAX_BODY = 256 * 1024
"""Bytes."""


def create_app(
    routers: Iterable[APIRouter],
    runner: Callable[[], AbstractAsyncContextManager[Runner]],
    access: Access,
    origins: Iterable[str] = (),
) -> FastAPI:
    """`runner` is opened when the app starts and closed when it stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with runner() as app.state.runner:
            yield

    app = FastAPI(
        title="Lastword",
        summary="A LangChain agent that streams only its final answer.",
        lifespan=lifespan,
    )
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY)
    app.add_middleware(problems.TooLargeAsProblem)
    app.state.access = access
    problems.install(app)
    for router in routers:
        app.include_router(router)
    if allowed := list(origins):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
            expose_headers=["X-Run-Id", "X-Thread-Id", "Content-Location", "Retry-After"],
        )
    return app
