"""Workers' connections to a Redis, and caches over them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus

from serving.cache.local import LocalCache
from serving.cache.redis_store import RedisStore
from serving.cache.responses import ResponseCache
from serving.cache.settings import RedisSettings
from serving.cache.store import Lookup
from serving.messages import Response
from tests.serving.cache_counts import Counts
from tests.serving.redis_process import until

TIMEOUT_MS = 200
"""Long enough that a busy machine does not fail a test of something else."""
AT_MOST_SECONDS = 2 * TIMEOUT_MS / 1000 + 0.3
GOOD = Response(HTTPStatus.OK, b'{"predictions":[1]}', [(b"inference-header-content-length", b"19")], b"text/plain")


@asynccontextmanager
async def connecting(settings: RedisSettings, port: int) -> AsyncGenerator[RedisStore]:
    store = RedisStore(replace(settings, port=port))
    store.start()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def connected(settings: RedisSettings, port: int) -> AsyncGenerator[RedisStore]:
    async with connecting(settings, port) as store:
        await until(lambda: store.up)
        yield store


def cache_over(store: RedisStore, counts: Counts | None = None) -> ResponseCache:
    local = LocalCache[Response](1024**2)
    return ResponseCache(local, store, counts or Counts(), namespace="models", seconds=300)


async def looked_up(asked: Awaitable[Lookup] | None) -> bytes | None:
    assert asked is not None
    lookup = await asked
    assert lookup.asked
    return None if lookup.found is None else lookup.found.payload


async def answered(cache: ResponseCache, key: bytes, response: Response = GOOD) -> Response:
    answer = cache.answer(key, lambda: response)
    return answer if isinstance(answer, Response) else await answer
