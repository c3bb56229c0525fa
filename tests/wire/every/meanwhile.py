"""A run that is held in mid-answer, and what is done meanwhile."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from stream.log import Run
from tests.replies import Stall
from tests.serving import Lastword
from tests.upstream import Upstream
from tests.wire.every.told import Told


@contextmanager
def held(model: Upstream, stall: Stall, ask: Callable[[], Told]) -> Iterator[Future[Told]]:
    """Ask, in a thread; goes on when the model has said all up to its stall, and ends that."""
    model.script(stall)
    before = len(model.requests)
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(ask)
        try:
            model.wait_for(
                lambda: len(model.requests) > before and model.requests[-1].sent == stall.after
            )
            yield asked
        finally:  # whatever failed: nobody waits for ever
            assert stall.gate
            stall.gate.release()


def run_of(lastword: Lastword) -> Run:
    """The one in progress."""
    (execution,) = lastword.runner._threads.values()
    return execution.run
