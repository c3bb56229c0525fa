"""The client: many streams at once."""

import asyncio
import contextlib
import itertools

from bench.http2 import Call
from bench.servers import Running
from bench.stream import Result, Stream
from bench.upstream import Model
from bench.websocket import Socket

NUMBERS = itertools.count()
STREAMS: dict[str, type[Stream]] = {"http": Stream, "websocket": Socket, "grpc": Call}


async def load(
    target: Running, model: Model, streams: int, *, ramp: float = 0.0, timeout: float = 120
) -> Result:
    """Run `streams` of them at once, started evenly over `ramp` seconds."""
    loop, result = asyncio.get_running_loop(), Result()
    kind = STREAMS[target.server.speaks]

    async def one(delay: float) -> None:
        number = next(NUMBERS)
        request = kind.asking(target.server, number)
        stream = model.readers[number] = kind(request, result, model.rate > 0)
        await asyncio.sleep(delay)
        await loop.create_connection(lambda: stream, "127.0.0.1", target.port)
        await stream.done
        del model.readers[number]

    began = loop.time()
    with contextlib.suppress(TimeoutError):  # what is not complete then is seen in the result
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            for i in range(streams):
                group.create_task(one(ramp * i / streams))
    result.seconds = loop.time() - began
    return result
