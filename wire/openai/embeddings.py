"""Embeddings, as OpenAI's clients ask for them and read them."""

import base64
import struct
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, FailFast, Field

from agent.runner import Runner
from wire.asked import Strict
from wire.openai.errors import ModelNotFound, NotServed
from wire.openai.unsupported import Ignored, only

MAX_TEXTS = 2048  # as many as OpenAI takes


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class EmbeddingsRequest(Strict):
    """Texts; tokens of some vocabulary would mean nothing here."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "m", "input": ["Hi."]}]})

    input: Annotated[
        list[Annotated[str, Field(min_length=1)]],
        FailFast(),
        Field(min_length=1, max_length=MAX_TEXTS),
        BeforeValidator(_listed, json_schema_input_type=str | list[str]),
    ]
    model: Annotated[str, Field(max_length=200)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[Any, only()] = None
    user: Ignored = None


async def embedded(runner: Runner, asked: EmbeddingsRequest) -> dict[str, Any]:
    """The vectors. Raises `NotServed`, `ModelNotFound`, and what the model's server fails with."""
    if runner.embeddings is None:
        raise NotServed
    if asked.model not in {None, runner.embeddings, runner.embeddings.partition(":")[2]}:
        raise ModelNotFound(f"Embeddings are those of {runner.embeddings!r} here.")
    vectors = await runner.embed(asked.input)
    as_base64 = asked.encoding_format == "base64"
    return {
        "object": "list",
        "model": runner.embeddings,
        "data": [
            {"object": "embedding", "index": n, "embedding": _packed(v) if as_base64 else v}
            for n, v in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": 0, "total_tokens": 0},  # nobody counts them
    }


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
