"""Two users on every wire: neither hears, stops, interrupts or remembers what is the other's."""

import pytest

from tests.replies import Reply, Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.every.base import Clients, Wire
from tests.wire.every.conftest import ANNE, BOB, Make
from tests.wire.every.following import CANCELLERS, FOLLOWERS
from tests.wire.every.meanwhile import held, run_of
from tests.wire.helpers import get, spoken

SECRET = "only for Anne"
NO_KEY = {
    "openai": "AuthenticationError",
    "openai whole": "AuthenticationError",
    "grpc": "UNAUTHENTICATED",
}
"""By what these say it. All others have a status: a socket is refused before it opens."""

CANCELLED = {
    "text": "last chunk",  # it has no word for it: what was answered until then stays
    "openai": "APIError",  # nor has this one; there, a whole answer would look complete
    "openai whole": "ConflictError",
    "ai_sdk": "abort",
    "ag_ui": "RUN_FINISHED cancelled",
    "grpc": "FINISH_REASON_CANCELLED",
}


@pytest.mark.parametrize("key", ["", "sk-eve"])
def test_nobody_comes_in_without_a_key(key: str, shared: Lastword, model: Upstream, make: Make):
    wire = make(shared, key)
    told = wire.ask()
    assert (told.code, told.own) == ("unauthorized", NO_KEY.get(wire.name, 401))
    assert told.text == ""
    assert model.requests == []


@pytest.mark.parametrize("key", ["", BOB])
def test_a_run_is_for_who_asked(
    key: str, wire: Wire, shared: Lastword, model: Upstream, others: Clients
):
    """Begun on each wire: by no other can Bob hear or stop it, with its id and all."""
    stall = Stall(tokens=spoken(SECRET, "."), after=2)
    reason = "not_found" if key else "unauthorized"
    with held(model, stall, lambda: wire.ask("hi", "ours")) as asked:
        run = run_of(shared)
        for each in FOLLOWERS.values():
            told = each(shared, others, key).hear(run)
            assert (told.text, told.code) == ("", "" if each.by_thread and key else reason)
            assert SECRET not in told.seen
        for cancel in CANCELLERS.values():
            assert cancel(shared, others, key, run) == reason
    assert asked.result().text == SECRET + "."
    for each in FOLLOWERS.values():
        if not each.by_thread:
            assert each(shared, others, key).hear(run).code == reason
            assert each(shared, others, ANNE).hear(run).text == SECRET + "."
        elif key:
            assert each(shared, others, ANNE).hear(run).ends == [], "it is told nothing"


def test_a_thread_is_for_who_asked(make: Make, shared: Lastword, model: Upstream, others: Clients):
    """Bob's has the same name. His questions neither wait for Anne's nor stop them."""
    anne, bob = make(shared, ANNE), make(shared, BOB)
    thread = f"thread-on-{anne.name.replace(' ', '-')}"
    model.script(Reply(tokens=spoken(SECRET)))
    assert anne.ask("Anne's question", thread).text == SECRET
    model.requests.clear()
    stall = Stall(tokens=spoken("Still ", "here."), after=2)
    with held(model, stall, lambda: anne.ask("Another", thread)) as asked:
        model.script(Reply(tokens=spoken("Bob's answer")))
        assert type(bob)(shared, others, BOB).ask("Bob's question", thread).text == "Bob's answer"
    assert asked.result().text == "Still here."
    asked_for_anne, asked_for_bob = (str(request.body) for request in model.requests)
    assert (SECRET in asked_for_anne) == (not anne.keeps)
    assert SECRET not in asked_for_bob
    remembered = {key: remembered_by(shared, key, thread) for key in (ANNE, BOB)}
    assert [SECRET in remembered[ANNE], SECRET in remembered[BOB]] == [not anne.keeps, False]
    assert "Anne" not in remembered[BOB]
    assert "Bob" not in remembered[ANNE]


def remembered_by(lastword: Lastword, key: str, thread: str) -> str:
    response = get(lastword, f"/threads/{thread}", headers={"Authorization": f"Bearer {key}"})
    assert response.ok
    return response.text


@pytest.mark.parametrize("how", CANCELLERS)
def test_who_asked_may_stop_it(
    how: str, wire: Wire, shared: Lastword, model: Upstream, others: Clients
):
    """On every wire it is told as what it is: the end, but of no whole answer."""
    stall = Stall(tokens=spoken("As far as ", "this."), after=2)
    with held(model, stall, wire.ask) as asked:
        assert CANCELLERS[how](shared, others, ANNE, run_of(shared)) == ""
        told = asked.result()
    assert told.text in {"As far as ", ""}
    # One that ends before its stream has begun has a status.
    early = ["ConflictError"] if wire.name == "openai" else None
    assert told.ends in ([CANCELLED.get(wire.name, "cancelled")], early)
    shared.wait_until_idle()
    model.wait_for(lambda: model.cancelled == 1)
