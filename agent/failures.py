"""Any exception of a run -> an error from our catalogue.

The exception's own text stays here: providers put keys and prompts into it.
"""

from collections.abc import Iterator

from aiohttp import ClientResponseError
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
    UpstreamMalformed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

_TOO_LONG = UpstreamRejected("The conversation is too long for the model.")
_BY_CODE: dict[str, LastwordError] = {
    "content_filter": ContentFiltered(),
    "context_length_exceeded": _TOO_LONG,
}
_BY_KIND: tuple[tuple[type[Exception], LastwordError], ...] = (
    (ContextOverflowError, _TOO_LONG),
    (ModelAuthenticationError, UpstreamRejected("The model's server refused this server's key.")),
    (ModelNotFoundError, UpstreamRejected("The model's server does not know this model.")),
    (ModelRateLimitError, UpstreamUnavailable("The model's server is at its rate limit.")),
    (ModelTimeoutError, UpstreamTimeout()),
    (ModelAPIError, UpstreamUnavailable()),
    (ModelConnectionError, UpstreamUnavailable()),
    (ModelError, UpstreamRejected()),
    (GraphRecursionError, IterationLimit()),
)


def as_failure(error: BaseException) -> LastwordError:
    """What the client is told. What is not known, nor is any of its causes, is `Internal`."""
    return next(filter(None, map(_known, _with_causes(error, set()))), None) or Internal()


def _with_causes(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """The error, those that it groups, and those that it was raised from."""
    if id(error) in seen:  # somebody made a ring of them
        return
    seen.add(id(error))
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (*inner, *filter(None, [error.__cause__])):
        yield from _with_causes(each, seen)


def _known(error: BaseException) -> LastwordError | None:
    if isinstance(error, LastwordError):
        return error
    if isinstance(error, ClientResponseError):
        return UpstreamMalformed()  # aiohttp: these bytes are not HTTP
    if failure := _BY_CODE.get(str(getattr(error, "code", ""))):
        return failure
    if isinstance(error, ModelTimeoutError) and not _has_waited(error):
        return UpstreamUnavailable()
    for kind, failure in _BY_KIND:
        if isinstance(error, kind):
            return failure
    return _by_status(getattr(error, "status_code", None))


def _has_waited(timeout: BaseException) -> bool:
    """Whether time ran out: openai's aiohttp transport calls a refused connection a timeout too."""
    root = timeout
    while root.__cause__:
        root = root.__cause__
    return root is timeout or isinstance(root, TimeoutError)


def _by_status(status: object) -> LastwordError | None:
    """Every provider's SDK keeps the response's status on its exceptions."""
    if not isinstance(status, int):
        return None
    return UpstreamUnavailable() if status == 429 or status >= 500 else UpstreamRejected()
