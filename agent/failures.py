"""Any exception of a run -> an error from our catalogue.

The exception's own text stays here: providers put keys and prompts into it.
"""

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langgraph.errors import GraphRecursionError

from stream.errors import (
    ContentFiltered,
    Internal,
    IterationLimit,
    LastwordError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

_CATALOGUE: tuple[tuple[type[Exception], LastwordError], ...] = (
    (ContextOverflowError, UpstreamRejected("The conversation is too long for the model.")),
    (ModelAuthenticationError, UpstreamRejected("The model's server refused this server's key.")),
    (ModelNotFoundError, UpstreamRejected("The model's server does not know this model.")),
    (ModelRateLimitError, UpstreamUnavailable("The model's server is at its rate limit.")),
    (ModelTimeoutError, UpstreamTimeout()),
    (ModelAPIError, UpstreamUnavailable()),
    (ModelConnectionError, UpstreamUnavailable()),
    (ModelError, UpstreamRejected()),
    (GraphRecursionError, IterationLimit()),
)


def as_failure(error: Exception) -> LastwordError:
    """What the client is told. What is not known is `Internal`."""
    if isinstance(error, LastwordError):
        return error
    if getattr(error, "code", None) == "content_filter":
        return ContentFiltered()
    for kind, failure in _CATALOGUE:
        if isinstance(error, kind):
            return failure
    return _by_status(getattr(error, "status_code", None))


def _by_status(status: object) -> LastwordError:
    """Every provider's SDK keeps the response's status on its exceptions."""
    if not isinstance(status, int):
        return Internal()
    return UpstreamUnavailable() if status == 429 or status >= 500 else UpstreamRejected()
