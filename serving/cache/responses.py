"""Answers of models kept by the content of their requests: the same version given the same bytes answers the same.

A version's name is part of the key, so a change of version invalidates nothing. Who asks is not: the caller checks
credentials and limits before it asks here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from typing import Protocol

import msgspec

from serving.cache.local import LocalCache
from serving.cache.store import Lookup, Store
from serving.messages import Response

LOCAL, SHARED, FLIGHT = "local", "redis", "flight"
"""Levels: this worker's memory, what all pods share, and the answer that this worker is computing already."""

FLAVOURS_KEPT = 256

Compute = Callable[[], Response | Awaitable[Response]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Response).decode


class CacheMetrics(Protocol):
    """Counts by level; called on the path of each request."""

    def hit(self, level: str) -> None: ...

    def miss(self, level: str) -> None: ...

    def bypass(self, level: str) -> None:
        """A look-up or a write that the level was spared or did not manage."""
        ...


class ResponseCache:
    """For one worker. An answer that was put must not be changed afterwards.

    `namespace` keeps apart what several services put into one Redis: two buckets may hold different models of one name.
    """

    def __init__(
        self,
        local: LocalCache[Response],
        shared: Store | None,
        metrics: CacheMetrics,
        *,
        namespace: str,
        seconds: float,
    ) -> None:
        self._local = local
        self._shared = shared
        self._metrics = metrics
        self._seconds = seconds
        self._computing: dict[bytes, asyncio.Task[Response]] = {}
        self._prefix = lru_cache(FLAVOURS_KEPT)(lambda *parts: _prefix(namespace, *parts))

    def key(self, model: str, version: str, flavour: bytes, body: bytes) -> bytes:
        """`flavour`: whatever shapes the answer besides the body, such as the route and the length of a binary head."""
        return sha256(self._prefix(model, version, flavour) + body).digest()

    def local(self, key: bytes) -> Response | None:
        """From this worker's memory."""
        found = self._local.get(key)
        if found is None:
            self._metrics.miss(LOCAL)
        else:
            self._metrics.hit(LOCAL)
        return found

    def get(self, key: bytes) -> Awaitable[Response | None] | None:
        """From what all pods share, for after `local`; None where there is nothing to wait for."""
        asked = self._ask(key)
        return None if asked is None else self._received(key, asked)

    def put(self, key: bytes, response: Response) -> None:
        """Keep a good answer, here at once and in what all pods share soon; any other is not kept."""
        if response.status != HTTPStatus.OK:
            return
        self._keep(key, response, self._seconds)
        if self._shared is not None and not self._shared.put(key, _encode(response), self._seconds):
            self._metrics.bypass(SHARED)

    def answer(self, key: bytes, compute: Compute) -> Response | Awaitable[Response]:
        """What is kept, or else what `compute` gives, which is then kept; identical requests compute once."""
        found = self.local(key)
        if found is not None:
            return found
        ahead = self._computing.get(key)
        if ahead is not None:
            return self._follow(ahead, key, compute)
        asked = self._ask(key)
        computed = compute() if asked is None else None
        if isinstance(computed, Response):
            self.put(key, computed)
            return computed
        task = asyncio.ensure_future(self._lead(key, asked, computed, compute))
        self._computing[key] = task
        # Not in the task: one that is cancelled before its first step runs none of its lines.
        task.add_done_callback(lambda _: self._computing.pop(key))
        return task

    async def _lead(
        self,
        key: bytes,
        asked: Awaitable[Lookup] | None,
        computed: Awaitable[Response] | None,
        compute: Compute,
    ) -> Response:
        found = None if asked is None else await self._received(key, asked)
        if found is not None:
            return found
        return await self._compute(key, compute if computed is None else lambda: computed)

    async def _follow(self, ahead: asyncio.Task[Response], key: bytes, compute: Compute) -> Response:
        # This wait neither ends the other's work with ours nor raises what it raised.
        await asyncio.wait((ahead,))
        if not ahead.cancelled() and ahead.exception() is None and ahead.result().status == HTTPStatus.OK:
            self._metrics.hit(FLIGHT)
            return ahead.result()
        self._metrics.miss(FLIGHT)
        return await self._compute(key, compute)

    async def _compute(self, key: bytes, compute: Compute) -> Response:
        computed = compute()
        response = computed if isinstance(computed, Response) else await computed
        self.put(key, response)
        return response

    def _ask(self, key: bytes) -> Awaitable[Lookup] | None:
        if self._shared is None:
            return None
        asked = self._shared.get(key)
        if asked is None:
            self._metrics.bypass(SHARED)
        return asked

    async def _received(self, key: bytes, asked: Awaitable[Lookup]) -> Response | None:
        lookup = await asked
        if not lookup.asked:
            self._metrics.bypass(SHARED)
            return None
        response = None if lookup.found is None else _response(lookup.found.payload)
        if lookup.found is None or response is None:
            self._metrics.miss(SHARED)
            return None
        self._metrics.hit(SHARED)
        # For no longer than it lives there, or each level would add its own time.
        self._keep(key, response, min(self._seconds, lookup.found.seconds_left))
        return response

    def _keep(self, key: bytes, response: Response, seconds: float) -> None:
        size_bytes = len(response.body) + len(response.content_type)
        for name, value in response.headers:
            size_bytes += len(name) + len(value)
        if not self._local.put(key, response, size_bytes=size_bytes, seconds=seconds):
            self._metrics.bypass(LOCAL)


def _prefix(namespace: str, model: str, version: str, flavour: bytes) -> bytes:
    """Of fixed length, and different for different parts, whatever bytes they hold."""
    return sha256(_encode((namespace, model, version, flavour))).digest()


def _response(payload: bytes) -> Response | None:
    try:
        response = _decode(payload)
    except msgspec.MsgspecError:
        return None
    return response if response.status == HTTPStatus.OK else None
