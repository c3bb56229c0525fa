"""Clients that leave, give up, die, or stop reading: what becomes of their runs."""

import asyncio
import json
from collections.abc import Callable

import grpc
import pytest

from tests.replies import Reply, Stall
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.helpers import get, only_run, spoken
from tests.wire.rpc.clients import (
    Client,
    address,
    client_process,
    run_of,
    text_of,
    told,
)
from tests.wire.test_disconnect import MEGABYTES, readers
from wire import live
from wire.rpc.lastword.v1 import chat_pb2 as pb

CANCEL = pb.ON_DISCONNECT_CANCEL
CONTINUE = pb.ON_DISCONNECT_CONTINUE


@pytest.mark.parametrize("how", ["cancelled", "deadline", "killed"])
@pytest.mark.parametrize("after", [0, 2], ids=["before the first token", "in the answer"])
def test_cancel(after: int, how: str, client: Client, shared: Lastword, model: Upstream):
    model.script(Stall(tokens=spoken("Begun", "never said"), after=after))
    if how == "killed":
        with client_process(address(shared), "hi") as process:
            lines = [json.loads(process.stdout.readline()) for _ in range(1 + bool(after))]
            run = lines[0]["started"]["runId"]
            assert not after or lines[1]["delta"]["text"] == "Begun"
            model.wait_for(lambda: model.open == 1)
            process.kill()
    else:
        asked = pb.SendRequest(text="hi", on_disconnect=CANCEL)
        call = client.stub.Send(asked, timeout=2 if how == "deadline" else None)
        run = run_of(call)
        answers = [next(call) for _ in range(1 + bool(after))]
        assert text_of(answers) == ("Begun" if after else "")
        model.wait_for(lambda: model.open == 1)
        if how == "cancelled":
            call.cancel()
        code = (
            grpc.StatusCode.CANCELLED if how == "cancelled" else grpc.StatusCode.DEADLINE_EXCEEDED
        )
        assert told(call).code is code
    model.wait_for(lambda: model.cancelled == 1)
    shared.wait_until_idle()
    seen = get(shared, f"/runs/{run}").json()
    assert (seen["state"], seen["answer"]) == ("cancelled", "Begun" if after else "")


def test_continue(client: Client, shared: Lastword, model: Upstream):
    stall = model.script(Stall(tokens=spoken("All ", "of it"), after=2))
    call = client.sending(on_disconnect=CONTINUE)
    run = run_of(call)
    answers = [next(call), next(call)]
    call.cancel()
    wait_for(lambda: readers(shared, run) == 0)
    stall.gate.release()
    shared.wait_until_idle()
    assert text_of([*answers, *client.resume(run, answers[-1].cursor).answers]) == "All of it"
    assert model.cancelled == 0


def test_patience(client: Client, shared: Lastword, model: Upstream):
    model.script(Stall())
    call = client.sending(cancel_after_seconds=0.1)
    next(call)
    model.wait_for(lambda: model.open == 1)
    call.cancel()
    model.wait_for(lambda: model.cancelled == 1)
    shared.wait_until_idle()


def test_the_servers_policy(start: Callable[..., tuple[Lastword, Client]], upstream: Upstream):
    lastword, client = start(on_disconnect="cancel")
    upstream.script(Stall())
    call = client.sending(on_disconnect=pb.ON_DISCONNECT_UNSPECIFIED)
    next(call)
    upstream.wait_for(lambda: upstream.open == 1)
    call.cancel()
    upstream.wait_for(lambda: upstream.cancelled == 1)
    lastword.wait_until_idle()


def test_a_crowd_that_leaves_takes_nothing_with_it(
    client: Client, shared: Lastword, model: Upstream
):
    def tasks() -> int:
        return len(asyncio.all_tasks(shared.runner._tasks._loop))

    before = tasks()
    model.default = lambda _: Stall(tokens=spoken("Begun", "never said"), after=2)
    calls = [client.sending(on_disconnect=CANCEL) for _ in range(24)]
    model.wait_for(lambda: model.open == 24)
    for call in calls:
        call.cancel()
    model.wait_for(lambda: model.cancelled == 24)
    shared.wait_until_idle()
    wait_for(lambda: not shared.runner._audiences)
    wait_for(lambda: not shared.runner._tasks._tasks)
    wait_for(lambda: tasks() <= before)


def test_a_slow_reader_does_not_slow_the_run(client: Client, shared: Lastword, model: Upstream):
    model.script(Reply(tokens=MEGABYTES))
    call = client.sending()
    started = next(call)
    model.wait_for(lambda: model.requests and model.requests[0].ended, 30)
    shared.wait_until_idle(30)
    assert text_of([started, *call]) == "".join(MEGABYTES[1:-1])


def test_a_reader_that_takes_nothing_is_dropped_and_can_resume(
    client: Client, shared: Lastword, model: Upstream, monkeypatch: pytest.MonkeyPatch
):
    stall = model.script(Stall(tokens=MEGABYTES, after=len(MEGABYTES)))
    with monkeypatch.context() as impatient:
        impatient.setattr(live, "SEND_TIMEOUT", 0.2)
        call = client.sending(on_disconnect=CONTINUE)
        run = run_of(call)
        assert run == only_run(shared)
        wait_for(lambda: readers(shared, run) == 0, 30)
    stall.gate.release()
    seen = told(call)
    assert seen.code is grpc.StatusCode.UNAVAILABLE
    rest = client.resume(run, seen.answers[-1].cursor)
    assert rest.code is grpc.StatusCode.OK
    assert seen.text + rest.text == "".join(MEGABYTES[1:-1])
