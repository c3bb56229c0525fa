"""`grpc.health.v1.Health`: whether the server takes runs."""

import asyncio
from typing import Final

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from agent.runner import Runner
from stream.errors import Busy, NotFound
from wire.rpc.status import Context

SERVICE: Final = "grpc.health.v1.Health"
INTERVAL = 0.5
"""Seconds between two looks of those who watch."""
MAX_WATCHERS = 200
"""At once: they need no key, and must not take the place of those who have one."""


class Health:
    """The methods of the service. As with HTTP's `/ready`, nobody needs a key for it."""

    def __init__(self, runner: Runner, *services: str) -> None:
        self._runner = runner
        self._services = {"", *services}
        self._watchers = 0

    async def check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        if request.service not in self._services:
            raise NotFound("There is no such service.")
        return self._response(request)

    async def watch(self, request: HealthCheckRequest, context: Context) -> None:
        """Tells the state, and each time that it has become another."""
        if self._watchers >= MAX_WATCHERS:
            raise Busy(retry_after=1)
        self._watchers += 1
        try:
            await self._watch(request, context)
        finally:
            self._watchers -= 1

    async def _watch(self, request: HealthCheckRequest, context: Context) -> None:
        told = None
        while True:
            if (response := self._response(request)) != told:
                await context.write(response)
                told = response
            await asyncio.sleep(INTERVAL)

    def _response(self, request: HealthCheckRequest) -> HealthCheckResponse:
        if request.service not in self._services:
            return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        serving, not_serving = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse(status=serving if self._runner.ready else not_serving)
