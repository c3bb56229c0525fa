"""Threads apart for what searches: those of a retriever that hangs are missed by nobody else."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from agent.threads import LeftBehind

P = ParamSpec("P")
T = TypeVar("T")
_calls: ContextVar["list[Future[Any]] | None"] = ContextVar("_calls", default=None)


@contextmanager
def searching(calls: "list[Future[Any]]") -> Iterator[None]:
    """What is called in threads in here, however deep inside, is added to `calls`."""
    token = _calls.set(calls)
    try:
        yield
    finally:
        _calls.reset(token)


class Lanes(LeftBehind):
    """A loop's threads, and others for searches."""

    def __init__(self) -> None:
        super().__init__()
        self._apart = LeftBehind()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        calls = _calls.get()
        if calls is None:
            return super().submit(fn, *args, **kwargs)
        future = self._apart.submit(fn, *args, **kwargs)
        calls.append(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._apart.shutdown()
        super().shutdown(wait, cancel_futures=cancel_futures)
