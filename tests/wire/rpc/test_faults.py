"""The model's server fails: the right status, one end, nothing of its words."""

from collections.abc import Callable

import grpc
import pytest

from agent import fast_stream
from stream.errors import CATALOGUE
from tests.replies import Raw, Reply, Stall, blob, final
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.helpers import get, spoken
from tests.wire.rpc.clients import Client, Told
from tests.wire.test_faults import AFTER, BEFORE, BEGUN, SAID, SECRET, is_reset
from wire.rpc.status import STATUSES


def fails_with(code: str, told: Told) -> None:
    assert SECRET not in str(told)
    assert told.code is STATUSES[code] is not grpc.StatusCode.OK
    assert told.trailers["lastword-code"] == code
    assert told.trailers["lastword-retryable"] == str(CATALOGUE[code].retryable).lower()
    assert told.details
    assert "end" not in told.kinds


@pytest.fixture
def next_is_served(client: Client, shared: Lastword):
    yield
    shared.wait_until_idle()
    assert client.send("again").text == "Hello there."


@pytest.mark.usefixtures("next_is_served")
@pytest.mark.parametrize(("code", "reply"), BEFORE.values(), ids=BEFORE)
def test_before_the_first_token(code: str, reply: Reply | Raw, client: Client, model: Upstream):
    model.script(reply)
    told = client.send()
    fails_with(code, told)
    assert told.kinds == ["started"]
    assert len(model.requests) == 1


@pytest.mark.usefixtures("next_is_served")
@pytest.mark.parametrize(("code", "reply"), AFTER.values(), ids=AFTER)
def test_in_the_answer(code: str, reply: Reply, client: Client, shared: Lastword, model: Upstream):
    model.script(reply)
    told = client.send()
    fails_with(code, told)
    assert told.text == SAID or (is_reset(reply) and SAID.startswith(told.text))
    run_id = told.names["x-run-id"]
    last = get(shared, f"/runs/{run_id}").json()["last_cursor"]
    for after in ("", told.answers[-1].cursor, last):
        again = client.resume(run_id, after)
        fails_with(code, again)  # also where there is nothing else left to tell
        assert again.answers == (told.answers if after == "" else [])


@pytest.mark.usefixtures("next_is_served")
@pytest.mark.parametrize("after", [0, 2], ids=["the first token", "a token"])
def test_silence_before(
    after: int, client: Client, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(fast_stream, "FIRST_TOKEN_TIMEOUT", 0.1)
        patch.setattr(fast_stream, "BETWEEN_TOKENS_TIMEOUT", 0.1)
        model.script(Stall(tokens=BEGUN, after=after))
        fails_with("upstream_timeout", client.send())
        model.wait_for(lambda: model.cancelled == 1)


@pytest.mark.usefixtures("next_is_served")
def test_what_models_do(client: Client, model: Upstream):
    for _ in range(3):
        model.say('```json\n{"action": "Final')
    fails_with("unreadable_reply", client.send())
    model.script(Reply(tokens=[], finish_reason="content_filter"))
    fails_with("content_filtered", client.send())


def test_limits_of_a_run(start: Callable[..., tuple[Lastword, Client]], upstream: Upstream):
    _, client = start(max_iterations=1, run_timeout=1)
    upstream.default = lambda _: Reply(tokens=[blob("calculator", "1+1")])
    fails_with("iteration_limit", client.send())
    upstream.default = lambda _: Stall()
    fails_with("run_timeout", client.send())


def test_a_bug_is_logged_and_not_told(
    start: Callable[..., tuple[Lastword, Client]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    lastword, client = start()

    async def fail(*_: object, **__: object) -> None:
        raise LookupError(SECRET)

    monkeypatch.setattr(lastword.runner, "find", fail)
    told = client.resume("0" * 32)
    fails_with("internal", told)
    (record,) = caplog.records
    assert record.exc_info


def test_a_megabyte(client: Client, model: Upstream):
    text = "0123456789abcdef" * 65536
    model.script(Reply(tokens=spoken(text)))
    assert client.send().text == text
    model.say(final("after it"))
    assert client.send().text == "after it"
