"""Everything that can go wrong, with whose fault it is and an HTTP status as a hint.

    LastwordError
     ├─ RequestError          the client's fault; the same request fails again
     │   ├─ BadRequest        422  a field is wrong, and `field` names it
     │   ├─ Unauthorized      401  no key, or one that is not known
     │   ├─ Forbidden         403  known, but not allowed (a foreign host or origin)
     │   ├─ NotFound          404  no such run or thread, or not yours
     │   ├─ Conflict          409  the thread is busy with another run
     │   ├─ Gone              410  what was asked for is no longer kept
     │   └─ TooLarge          413  the body is over the limit
     ├─ Busy                  429  too many runs at once; try again after `retry_after`
     ├─ RateLimited           429  this principal asks too often; the same
     ├─ UpstreamError         the model's provider
     │   ├─ UpstreamUnavailable  503  refused, overloaded, broken
     │   ├─ UpstreamRejected     502  it does not want this request or this key
     │   ├─ UpstreamTimeout      504  silent for too long
     │   ├─ UpstreamTruncated    502  its stream ended before the reply did
     │   ├─ UpstreamMalformed    502  it sent something that is no model's reply
     │   └─ ContentFiltered      502  its safety system stopped the reply
     ├─ UnreadableReply       502  the model would not keep to the format
     ├─ IterationLimit        502  the model would not stop calling tools
     ├─ RunTimeout            504  the run took longer than it may
     └─ ServerError           ours
         ├─ ProducerLost      503  the process that ran it is gone
         ├─ StorageLost       503  the log or the memory failed
         ├─ ServerShutdown    503  the server is going down
         └─ Internal          500  a bug

A message is written here or by us where it is raised; it is safe to show, and
never holds a key, a path, a traceback or the upstream's own words.
"""

from typing import ClassVar

from stream.events import RunFailed


class LastwordError(Exception):
    """`code` is from a fixed catalogue; `status` is a hint for wires that have statuses."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    summary: ClassVar[str] = "Something went wrong."

    def __init__(self, message: str = "", *, retry_after: int | None = None) -> None:
        """`retry_after` in seconds."""
        super().__init__(message or self.summary)
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        return str(self)

    def as_event(self) -> RunFailed:
        return RunFailed(self.code, self.message, self.retryable)


class RequestError(LastwordError):
    """The client's fault."""


class BadRequest(RequestError):
    code, status = "bad_request", 422
    summary = "The request is not valid."

    def __init__(self, message: str = "", *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field and message else message)
        self.field = field


class Unauthorized(RequestError):
    code, status = "unauthorized", 401
    summary = "This server wants an API key: Authorization: Bearer <key>."


class Forbidden(RequestError):
    code, status = "forbidden", 403
    summary = "This request is not allowed."


class NotFound(RequestError):
    code, status = "not_found", 404
    summary = "There is no such thing here."


class Conflict(RequestError):
    code, status = "conflict", 409
    summary = "This thread is busy with another run."


class Gone(RequestError):
    code, status = "gone", 410
    summary = "This is no longer kept."


class TooLarge(RequestError):
    code, status = "too_large", 413
    summary = "The request body is too large."


class Busy(LastwordError):
    code, status, retryable = "busy", 429, True
    summary = "The server is at its limit of runs. Try again soon."


class RateLimited(LastwordError):
    code, status, retryable = "rate_limited", 429, True
    summary = "Too many questions in a short time. Try again later."


class UpstreamError(LastwordError):
    """The model's provider failed."""


class UpstreamUnavailable(UpstreamError):
    code, status, retryable = "upstream_unavailable", 503, True
    summary = "The model cannot be reached, or is overloaded."


class UpstreamRejected(UpstreamError):
    code, status = "upstream_rejected", 502
    summary = "The model's server rejected the request."


class UpstreamTimeout(UpstreamError):
    code, status, retryable = "upstream_timeout", 504, True
    summary = "The model was silent for too long."


class UpstreamTruncated(UpstreamError):
    code, status, retryable = "upstream_truncated", 502, True
    summary = "The model's stream ended in the middle of its reply."


class UpstreamMalformed(UpstreamError):
    code, status = "upstream_malformed", 502
    summary = "The model's server sent something that is not a model's reply."


class ContentFiltered(UpstreamError):
    code, status = "content_filtered", 502
    summary = "The model's safety system refused this."


class UnreadableReply(LastwordError):
    code, status, retryable = "unreadable_reply", 502, True
    summary = "The model did not answer in a form that can be read."


class IterationLimit(LastwordError):
    code, status, retryable = "iteration_limit", 502, True
    summary = "The model kept calling tools and did not answer."


class RunTimeout(LastwordError):
    code, status, retryable = "run_timeout", 504, True
    summary = "The run took longer than it may."


class ServerError(LastwordError):
    """Ours."""


class ProducerLost(ServerError):
    code, status, retryable = "producer_lost", 503, True
    summary = "The server that answered is gone. Ask again."


class StorageLost(ServerError):
    code, status, retryable = "storage_lost", 503, True
    summary = "The server could not keep what was said."


class ServerShutdown(ServerError):
    code, status, retryable = "server_shutdown", 503, True
    summary = "The server is going down. Try again soon."


class Internal(ServerError):
    code, status = "internal", 500
    summary = "Something went wrong in the server."


def _family(kind: type[LastwordError]) -> list[type[LastwordError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _family(child))]


CATALOGUE = {kind.code: kind for kind in _family(LastwordError) if "code" in vars(kind)}


def from_event(event: RunFailed) -> LastwordError:
    """The error that a run failed with, for wires that can still answer with a status."""
    return CATALOGUE.get(event.code, Internal)(event.message)
