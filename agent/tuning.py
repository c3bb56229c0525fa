"""Settings of the process that cost nothing and that many streams at once depend on."""

import gc
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

import langsmith
from langsmith.utils import tracing_is_enabled

GC_THRESHOLDS = (50_000, 20, 100)


def tune() -> None:
    """Call once, when everything is built."""
    # What the imports left is never garbage, and walking it stalls every stream.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    langsmith.set_runtime_overrides(aio_to_thread=_in_place_unless_tracing)


async def _in_place_unless_tracing(
    default: Callable[..., Awaitable[Any]],
    context: Context,
    function: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """LangChain wraps each hook of a middleware in a span, and LangSmith begins and ends a span
    in a thread: four handovers for a model call, also when nobody traces.
    """
    if tracing_is_enabled():
        return await default(context, function, *args, **kwargs)
    return context.run(function, *args, **kwargs)
