"""`/v1`: what OpenAI's clients ask of OpenAI. The model is this server's agent."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import JSONResponse, Response

from agent.runner import Runner
from stream.errors import LastwordError
from stream.events import RunCancelled, RunCompleted, RunFailed, ThoughtDelta
from stream.log import Entry, Run
from stream.transcript import Transcript
from wire import sse
from wire.access import Principal
from wire.live import Late, LiveBody, run_headers
from wire.openai import examples
from wire.openai.embeddings import EmbeddingsRequest, embedded
from wire.openai.encoder import ChunkEncoder, Head, completion
from wire.openai.errors import ModelNotFound, error_response, failure
from wire.openai.request import ChatCompletionRequest
from wire.problems import ShapedRouter

UNNAMED = "lastword"
"""The model of an agent whose models have no names here."""

router = ShapedRouter("/v1", error_response, tags=["openai"], responses={"default": examples.ERROR})


@router.post("/chat/completions", response_class=Response, responses={200: examples.COMPLETION})
async def create_completion(
    request: Request, principal: Principal, body: ChatCompletionRequest
) -> Response:
    """Ask. With `stream`, chunks come while the model writes."""
    runner: Runner = request.app.state.runner
    asked = body.as_run(_model(runner, body.model))
    run = await runner.start(asked, principal=principal)
    batches = runner.follow(run.id, principal=principal)
    head = _head(run, body.model or served(runner)[0])
    headers = run_headers(run) | {"X-Request-Id": run.id}
    reasoning = bool(body.include_reasoning)
    if not body.stream:
        return Late(
            lambda: _or_error(_whole(batches, head, headers, with_reasoning=reasoning), headers)
        )
    encoder = ChunkEncoder(
        head,
        request.app.state.append_only(),
        with_usage=body.wants_usage,
        with_reasoning=reasoning,
    )
    return Late(lambda: _or_error(_streamed(batches, encoder, headers), headers))


@router.get("/models", responses={200: examples.MODELS})
async def list_models(request: Request, principal: Principal) -> dict[str, Any]:  # noqa: ARG001  wants a key
    """The models that a request may name, the usual one first."""
    names = served(request.app.state.runner)
    return {"object": "list", "data": [_described(name) for name in names]}


@router.get("/models/{model:path}", responses={200: examples.MODEL})
async def get_model(request: Request, model: str, principal: Principal) -> dict[str, Any]:  # noqa: ARG001  wants a key
    """One of them."""
    if model not in served(request.app.state.runner):
        raise ModelNotFound
    return _described(model)


@router.post("/embeddings", response_class=Response, responses={200: examples.EMBEDDINGS})
async def create_embeddings(
    request: Request,
    principal: Principal,  # noqa: ARG001  wants a key
    body: EmbeddingsRequest,
) -> Response:
    """Vectors of texts, by the model that this server searches its documents with."""

    async def respond() -> Response:
        document = await embedded(request.app.state.runner, body)
        return Response(orjson.dumps(document), media_type="application/json")  # many numbers

    return Late(respond)


def served(runner: Runner) -> list[str]:
    """The names of the models, the usual one first."""
    return runner.models or [UNNAMED]


def _model(runner: Runner, name: str | None) -> str | None:
    """What the runner knows it by. Raises `ModelNotFound`."""
    if name is not None and name not in served(runner):
        raise ModelNotFound
    return name if runner.models else None


def _described(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "lastword"}


def _head(run: Run, model: str) -> Head:
    return Head(f"chatcmpl-{run.id}", int(run.created.timestamp()), model)


async def _or_error(response: Awaitable[Response], headers: dict[str, str]) -> Response:
    """A run that failed before its first word still says which run it was."""
    try:
        return await response
    except LastwordError as error:
        return error_response(error, headers=headers)


async def _streamed(
    batches: AsyncGenerator[list[Entry], None], encoder: ChunkEncoder, headers: dict[str, str]
) -> Response:
    """Chunks; the response waits until something happens, so that a failure has a status."""
    first = await _first(batches)
    return LiveBody(_frames(first, batches, encoder), sse.MEDIA_TYPE, headers | sse.HEADERS)


async def _first(batches: AsyncGenerator[list[Entry], None]) -> list[Entry]:
    """More than that the run began, or what there is when nothing came for a while.

    Raises what the run failed with, if that is all.
    """
    entries: list[Entry] = []
    while len(entries) < 2 and (batch := await anext(batches)):
        entries += batch
    if len(entries) == 2 and isinstance(end := entries[1].event, RunFailed | RunCancelled):
        await batches.aclose()
        raise failure(end)
    return entries


async def _frames(
    first: list[Entry], batches: AsyncGenerator[list[Entry], None], encoder: ChunkEncoder
) -> AsyncGenerator[bytes, None]:
    """One item per batch that has something to say: one send each."""
    async with aclosing(batches):
        try:
            yield encoder.encode(first)
            async for batch in batches:
                if encoded := encoder.encode(batch):
                    yield encoded
        except LastwordError as error:
            yield encoder.fail(error)


async def _whole(
    batches: AsyncGenerator[list[Entry], None],
    head: Head,
    headers: dict[str, str],
    *,
    with_reasoning: bool,
) -> Response:
    """One document. Raises what the run failed with."""
    transcript, thoughts = Transcript(), list[str]()
    async with aclosing(batches):
        async for batch in batches:
            transcript.read(batch)
            thoughts += [event.text for _, event in batch if isinstance(event, ThoughtDelta)]
    end = transcript.end or RunCancelled()  # there is always one
    if not isinstance(end, RunCompleted):
        raise failure(end)
    reasoning = "".join(thoughts) if with_reasoning else ""
    document = completion(head, transcript.answer, end, transcript.sources, reasoning)
    return JSONResponse(document, headers=headers)
