"""The catalogue of errors."""

import pytest

from stream.errors import (
    CATALOGUE,
    BadRequest,
    Busy,
    ContentFiltered,
    Internal,
    LastwordError,
    RequestError,
    ServerError,
    StorageLost,
    UpstreamError,
    from_event,
)
from stream.events import RunFailed

CODES = {  # code: status, retryable
    "bad_request": (422, False),
    "unauthorized": (401, False),
    "forbidden": (403, False),
    "not_found": (404, False),
    "conflict": (409, False),
    "gone": (410, False),
    "too_large": (413, False),
    "busy": (429, True),
    "rate_limited": (429, True),
    "upstream_unavailable": (503, True),
    "upstream_rejected": (502, False),
    "upstream_timeout": (504, True),
    "upstream_truncated": (502, True),
    "upstream_malformed": (502, False),
    "content_filtered": (502, False),
    "unreadable_reply": (502, True),
    "iteration_limit": (502, True),
    "run_timeout": (504, True),
    "producer_lost": (503, True),
    "storage_lost": (503, True),
    "server_shutdown": (503, True),
    "internal": (500, False),
}


def test_the_catalogue_is_complete() -> None:
    assert {code: (kind.status, kind.retryable) for code, kind in CATALOGUE.items()} == CODES


@pytest.mark.parametrize("code", CODES)
class TestKind:
    def test_says_something_by_itself(self, code: str) -> None:
        error = CATALOGUE[code]()
        assert error.message == str(error) == error.summary
        assert error.message.endswith((".", "<key>."))

    @pytest.mark.parametrize("message", ["", "Something else."])
    def test_comes_back_from_its_event(self, code: str, message: str) -> None:
        error = CATALOGUE[code](message)
        event = error.as_event()
        assert event == RunFailed(code, error.message, CODES[code][1])
        back = from_event(event)
        assert type(back) is CATALOGUE[code]
        assert back.message == error.message
        assert back.as_event() == event

    def test_is_documented_in_the_tree(self, code: str) -> None:
        kind = CATALOGUE[code]
        line = f" {kind.__name__} "
        (found,) = [each for each in _tree().splitlines() if line in each]
        assert found.split(line)[1].split()[0] == str(kind.status)


def _tree() -> str:
    import stream.errors

    return stream.errors.__doc__ or ""


def test_an_unknown_code_is_internal() -> None:
    error = from_event(RunFailed("from_the_future", "Hm."))
    assert type(error) is Internal
    assert error.message == "Hm."


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (RequestError, BadRequest),
        (UpstreamError, ContentFiltered),
        (ServerError, StorageLost),
        (LastwordError, Busy),
    ],
)
def test_families(family: type, kind: type) -> None:
    assert issubclass(kind, family)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (BadRequest("is missing", field="text"), "text: is missing"),
        (BadRequest("No.", field=""), "No."),
        (BadRequest(field="text"), "The request is not valid."),
    ],
)
def test_a_bad_request_names_its_field(error: BadRequest, message: str) -> None:
    assert error.message == message


def test_busy_says_when_to_come_back() -> None:
    assert Busy(retry_after=3).retry_after == 3
    assert Busy().retry_after is None
