"""`grpc.health.v1.Health`, for load balancers and probes: as ready as the HTTP port says, by service or for all.

Specification: github.com/grpc/grpc, `doc/health-checking.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

LOOK_SECONDS = 0.5
"""How long after a change a watcher is told of it."""

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health(health_pb2_grpc.HealthServicer):
    """Of the named services and, as the empty name, of the server; `stopping` ends what watches."""

    def __init__(self, services: Sequence[str], ready: Callable[[], bool], stopping: asyncio.Event) -> None:
        self._services = frozenset(("", *services))
        self._ready = ready
        self._stopping = stopping

    async def Check(self, request: Any, context: Any) -> Any:
        status = self._status(request.service)
        if status == SERVICE_UNKNOWN:
            await context.abort(StatusCode.NOT_FOUND, "no such service: reflection lists what is")
        return health_pb2.HealthCheckResponse(status=status)

    async def List(self, request: Any, context: Any) -> Any:
        statuses = {name: health_pb2.HealthCheckResponse(status=self._status(name)) for name in self._services}
        return cast(Any, health_pb2).HealthListResponse(statuses=statuses)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        told = None
        while True:
            stopping = self._stopping.is_set()
            status = self._status(request.service)
            if status != told:
                told = status
                yield health_pb2.HealthCheckResponse(status=status)
            if stopping:
                return
            try:
                await asyncio.wait_for(self._stopping.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    def _status(self, service: str) -> Any:
        if service not in self._services:
            return SERVICE_UNKNOWN
        return SERVING if self._ready() else NOT_SERVING
