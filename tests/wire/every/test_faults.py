"""The model's server fails: on every wire the same code, one end, and no word of its own."""

from collections.abc import Callable

import pytest

from tests.replies import Raw, Reply, Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.every.base import Wire
from tests.wire.every.conftest import Make
from tests.wire.every.meanwhile import held
from tests.wire.test_faults import AFTER, BEFORE, BEGUN, SAID, SECRET
from tests.wire.test_page import shut_down

EARLY = {name: BEFORE[name] for name in ("401", "429", "nothing", "a frame that is no JSON")}
LATE = {name: AFTER[name] for name in ("end", "FIN", "an error frame", "half a frame")}
WHOLE = {"json", "openai whole"}
"""A run that failed has no answer there."""


@pytest.mark.parametrize(("code", "reply"), EARLY.values(), ids=EARLY)
def test_before_the_first_character(code: str, reply: Reply | Raw, wire: Wire, model: Upstream):
    model.script(reply)
    told = wire.ask()
    assert (told.text, told.code) == ("", code)
    assert len(told.ends) == 1
    assert told.ends != [wire.complete]
    assert SECRET not in told.seen
    assert wire.ask("again").ends == [wire.complete]


@pytest.mark.parametrize(("code", "reply"), LATE.values(), ids=LATE)
def test_in_the_answer(code: str, reply: Reply, wire: Wire, model: Upstream):
    model.script(reply)
    told = wire.ask()
    assert told.text == ("" if wire.name in WHOLE else SAID)
    assert told.code == ("" if wire.name == "text" else code)
    assert len(told.ends) == 1
    assert told.ends != [wire.complete]
    assert SECRET not in told.seen
    assert wire.ask("again").ends == [wire.complete]


def test_the_server_goes_down(serve: Callable[..., Lastword], upstream: Upstream, make: Make):
    lastword = serve(grpc_port=0)
    wire = make(lastword, "")
    with held(upstream, Stall(tokens=BEGUN, after=3), wire.ask) as asked:
        shut_down(lastword.runner)
        told = asked.result()
    assert SAID.startswith(told.text)
    assert told.code == ("" if wire.name == "text" and told.text else "server_shutdown")
    assert len(told.ends) == 1
    assert told.ends != [wire.complete]
