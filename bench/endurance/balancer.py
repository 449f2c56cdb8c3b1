"""A load balancer on the client's side: asks each container whether it is ready, and sends only to those that are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus

from bench.endurance.answer import read_head
from bench.endurance.stage import Container
from bench.endurance.traffic import Pool
from contract.service import HEALTH_PATH
from localcloud.moto_server import HOST

PROBE_EVERY_SECONDS = 0.2
PROBE_TIMEOUT_SECONDS = 1.0
IN_A_ROW = 2
"""Probes of the other kind, after which a target changes sides, as with an AWS target group's thresholds."""
UNREADY_SECONDS = 2 * IN_A_ROW * PROBE_EVERY_SECONDS
"""A container that is told to stop must answer for longer than this: it is still sent requests meanwhile."""


class Health:
    """A target's side, by the last probes."""

    def __init__(self) -> None:
        self.ready = False
        self._against = 0

    def saw(self, passed: bool) -> None:
        self._against = self._against + 1 if passed != self.ready else 0
        if self._against == IN_A_ROW:
            self.ready, self._against = passed, 0


@dataclass(eq=False)
class Target:
    container: Container
    pool: Pool
    health: Health = field(default_factory=Health)
    became_ready: asyncio.Event = field(default_factory=asyncio.Event)


class Balancer:
    """Picks the ready targets in turn."""

    def __init__(self) -> None:
        self._targets: list[Target] = []
        self._watches: dict[Target, asyncio.Task[None]] = {}
        self._turn = 0

    def add(self, container: Container) -> Target:
        target = Target(container, Pool(container.port))
        self._targets.append(target)
        self._watches[target] = asyncio.get_running_loop().create_task(self._watch(target))
        return target

    def remove(self, target: Target) -> None:
        self._targets.remove(target)
        self._watches.pop(target).cancel()
        target.pool.retire()

    def close(self) -> None:
        for target in list(self._targets):
            self.remove(target)

    def pick(self) -> Pool | None:
        ready = [target.pool for target in self._targets if target.health.ready]
        if not ready:
            return None
        self._turn += 1
        return ready[self._turn % len(ready)]

    async def _watch(self, target: Target) -> None:
        while True:
            target.health.saw(await probe(target.container.probe_port))
            target.pool.retired = not target.health.ready
            if target.health.ready:
                target.became_ready.set()
            else:
                target.pool.retire()
            await asyncio.sleep(PROBE_EVERY_SECONDS)


async def probe(port: int) -> bool:
    """Whether the container says that it may be sent requests."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(f"GET {HEALTH_PATH} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
            finally:
                writer.close()
        return read_head(head[:-4]).status == HTTPStatus.OK
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
        return False
