"""What OpenAI's clients get, for the documentation."""

from typing import Any

from wire.openai.errors import OpenAIError

_HEAD = {"id": "chatcmpl-7c9e", "created": 1767225600, "model": "offline"}
_TEXT = "The square root of 71 is 8.426149773176359."
_WHOLE = {
    **_HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": _TEXT, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46},
}
_CHUNK = (
    'data: {"id":"chatcmpl-7c9e","object":"chat.completion.chunk","created":1767225600,'
    '"model":"offline","choices":[{"index":0,"delta":{"content":"The"},"logprobs":null,'
    '"finish_reason":null}]}\n\ndata: [DONE]\n\n'
)
_MODEL = {"id": "offline", "object": "model", "created": 0, "owned_by": "lastword"}


def _json(description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


COMPLETION = _json("The answer: whole, or, with `stream`, in chunks.", _WHOLE)
COMPLETION["content"]["text/event-stream"] = {"example": _CHUNK}
MODELS = _json("The models.", {"object": "list", "data": [_MODEL]})
MODEL = _json("The model.", _MODEL)
EMBEDDINGS = _json(
    "A vector for each text.",
    {
        "object": "list",
        "model": "openai:text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    },
)
ERROR: dict[str, Any] = {"description": "What is wrong.", "model": OpenAIError}
