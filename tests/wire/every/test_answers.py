"""The same characters on every wire: asked anew on each, and one run followed on all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.replies import Reply, Stall, Token, blob
from tests.serving import Lastword, wait_for
from tests.upstream import Upstream
from tests.wire.every.base import Clients, Wire
from tests.wire.every.conftest import ANNE, Make
from tests.wire.every.following import FOLLOWERS
from tests.wire.every.meanwhile import held, run_of
from tests.wire.helpers import get, spoken
from tests.wire.test_disconnect import readers as readers_of
from tests.wire.test_uncertain import ANSWER, CALL, PREAMBLE

HOSTILE = [
    "Lines\nof\r\nall\rkinds, \n\n\n",
    "data: x\n\nevent: end\ndata: [DONE]\n\n: ",
    "\u2028\u2029\x85\x0b\x0c\x1c\x1e",
    "NUL \0, BOM \ufeff, \x1b[31m, ",
    "\u202eright to left\u202c, שלום, 👩‍👩‍👧‍👦🏳️‍🌈, e\u0301, ",
    '"\\u0041\\n", </script>, ```, {"type":"end"}, ',
    "\ufffd\U0010ffff, [1] **bold** ",
    "The end.\n",
]
THOUGHT = "nobody-asked-for-this"
THOUGHTS: list[Token] = [{"reasoning_content": f"{THOUGHT} {n}"} for n in range(3)]
ANSWERED = "".join(HOSTILE)


def test_asked_anew(wire: Wire, model: Upstream):
    """A tool is called, thoughts are had, and the answer is what no format is safe from."""
    model.script(Reply(tokens=[*THOUGHTS, blob("calculator", "6*7")]))
    model.script(Reply(tokens=[*THOUGHTS, *spoken(*HOSTILE)]))
    told = wire.ask()
    assert told.text == ANSWERED
    assert told.ends == [wire.complete]
    assert THOUGHT not in told.seen


def test_one_run_on_all(wire: Wire, shared: Lastword, model: Upstream, others: Clients):
    """Begun on each; the others come when half of it is said, and once more when it is over."""
    stall = Stall(tokens=[*THOUGHTS, *spoken(*HOSTILE)], after=8)
    followers = {name: kind(shared, others, ANNE) for name, kind in FOLLOWERS.items()}
    with ThreadPoolExecutor(len(followers)) as readers, held(model, stall, wire.ask) as asked:
        run = run_of(shared)
        heard = {name: readers.submit(each.hear, run) for name, each in followers.items()}
        wait_for(lambda: readers_of(shared, run.id) == 1 + len(followers))
        assert stall.gate
        stall.gate.release()
        tellings = {name: each.result() for name, each in heard.items()} | {"": asked.result()}
    for name, each in followers.items():
        if not each.by_thread:
            tellings[f"{name} again"] = each.hear(run)
    assert {told.text for told in tellings.values()} == {ANSWERED}
    assert not [name for name, told in tellings.items() if told.code or len(told.ends) != 1]
    assert not [name for name, told in tellings.items() if THOUGHT in told.seen]
    asked_for = get(shared, f"/runs/{run.id}/events?include=thoughts", headers=wire.headers)
    assert THOUGHT in asked_for.text, "it was there to be told"


def test_text_that_may_not_be_the_answer(
    serve: Callable[..., Lastword], upstream: Upstream, make: Make
):
    """Wires that cannot take it back do not tell it."""
    wire = make(serve(protocol="message", grpc_port=0), "")
    upstream.script(Reply(tokens=[*PREAMBLE, CALL], finish_reason="tool_calls"))
    upstream.script(Reply(tokens=ANSWER))
    told = wire.ask()
    assert (told.text, told.ends) == ("It is 42.", [wire.complete])
    assert ("Let me" in told.seen) == (wire.name in {"sse", "websocket"})
