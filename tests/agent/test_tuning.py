"""LangSmith's bookkeeping: in place while nobody traces, in its thread while somebody does."""

import contextvars
import threading

import pytest
from langsmith import tracing_context
from langsmith._internal import _aiter

from agent import tuning


@pytest.mark.anyio
@pytest.mark.parametrize("traced", [False, True])
async def test_where_spans_begin_and_end(traced) -> None:
    tuning.tune()
    with tracing_context(enabled=traced):
        thread = await _aiter.aio_to_thread(contextvars.copy_context(), threading.current_thread)
    assert (thread is threading.current_thread()) is not traced
