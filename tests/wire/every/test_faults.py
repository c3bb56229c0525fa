"""The model's server fails: on every wire the same code, one end, and no word of its own."""

import pytest

from tests.replies import Raw, Reply, Stall
from tests.serving import Lastword, serving
from tests.upstream import Upstream
from tests.wire.every.conftest import ANNE, Make
from tests.wire.every.meanwhile import held
from tests.wire.every.wires import Wire
from tests.wire.helpers import spoken
from tests.wire.test_faults import AFTER, BEFORE, SAID, SECRET

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


def test_the_server_goes_down(make: Make, upstream: Upstream, tmp_path):
    settings = {"model": "openai:test", "openai_base_url": upstream.url, "grpc_port": 0}
    stall = Stall(tokens=spoken("As far as it ", "went"), after=2)
    with serving(tmp_path, protocol="json_chat", **settings) as lastword:
        wire: Wire = make(lastword, "")
        with held(upstream, stall, wire.ask) as asked:
            lastword.server.should_exit = True
            told = asked.result()
    assert told.text in {"", "As far as it "}
    assert told.code == ("" if wire.name == "text" else "server_shutdown")
    assert len(told.ends) == 1
    assert told.ends != [wire.complete]
