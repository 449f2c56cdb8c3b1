"""Makes what the settings switch on; a cache that is off is never imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.cache.settings import LOCAL, OFF, CacheSettings, RedisSettings

if TYPE_CHECKING:
    from serving.cache.redis_store import RedisStore
    from serving.cache.responses import CacheMetrics, ResponseCache


def open_store(settings: RedisSettings) -> RedisStore:
    """A store that is connecting. Call on the event loop; close it there as well."""
    from serving.cache.redis_store import RedisStore

    store = RedisStore(settings)
    store.start()
    return store


def open_responses(
    settings: CacheSettings, store: RedisStore | None, metrics: CacheMetrics, *, namespace: str
) -> ResponseCache | None:
    """The cache of answers, or None where it is off; `store` is used in the mode `redis` alone."""
    if settings.mode == OFF:
        return None
    from serving.cache.local import LocalCache
    from serving.cache.responses import ResponseCache

    return ResponseCache(
        LocalCache(settings.max_bytes),
        None if settings.mode == LOCAL else store,
        metrics,
        namespace=namespace,
        seconds=settings.seconds,
    )
