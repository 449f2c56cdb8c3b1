"""A real Redis that workers share: what one puts another finds, and what is not ours is a miss."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from serving.cache.local import LocalCache
from serving.cache.redis_store import LARGEST_VALUE_BYTES, PREFIX, READS_AT_ONCE
from serving.cache.responses import ResponseCache
from serving.cache.sealed import seal
from serving.cache.settings import RedisSettings
from tests.serving.cache_counts import Counts
from tests.serving.cache_redis.connections import GOOD, answered, cache_over, connected, looked_up
from tests.serving.redis_process import RedisServer, run, until


def test_what_one_worker_puts_another_finds_whole_and_for_its_time(
    server: RedisServer, settings: RedisSettings
) -> None:
    async def scene() -> None:
        counts = Counts()
        async with connected(settings, server.port) as one, connected(settings, server.port) as other:
            cache_over(one).put(b"shared", GOOD)
            await until(lambda: server.client().exists(PREFIX + b"shared"))
            cache = cache_over(other, counts)
            asked = cache.get(b"shared")
            assert asked is not None
            assert await asked == GOOD
            assert cache.local(b"shared") == GOOD
            assert await looked_up(other.get(b"never put")) is None
        assert 0 < server.client().pttl(PREFIX + b"shared") <= 300_000
        assert counts.seen == {"redis hit": 1, "local hit": 1}

    run(scene())


def test_the_database_of_the_url_is_the_one_that_is_used(server: RedisServer, settings: RedisSettings) -> None:
    async def scene() -> None:
        async with connected(replace(settings, database=3), server.port) as store:
            assert store.put(b"in three", b"payload", 300)
            await until(lambda: _in_database(server, 3).exists(PREFIX + b"in three"))
            assert not server.client().exists(PREFIX + b"in three")

    run(scene())


def _in_database(server: RedisServer, database: int) -> Any:
    client = server.client()
    client.select(database)
    return client


def test_what_waits_goes_out_together_and_what_is_too_much_passes_by(
    server: RedisServer, settings: RedisSettings
) -> None:
    async def scene() -> None:
        async with connected(settings, server.port) as store:
            for index in range(10):
                store.put(b"together %d" % index, b"%d" % index, 300)
            await until(lambda: server.client().exists(PREFIX + b"together 9"))
            commands = server.client().info("commandstats")["cmdstat_mget"]["calls"] if _asked(server) else 0
            asked = [store.get(b"together %d" % (index % 10)) for index in range(200)]
            waiting = [found for found in asked if found is not None]
            assert len(waiting) == READS_AT_ONCE
            found = await asyncio.gather(*map(looked_up, waiting))
            assert found == [b"%d" % (index % 10) for index in range(READS_AT_ONCE)]
            assert server.client().info("commandstats")["cmdstat_mget"]["calls"] == commands + 1

    run(scene())


def _asked(server: RedisServer) -> bool:
    return "cmdstat_mget" in server.client().info("commandstats")


@pytest.mark.parametrize("spoil", ["foreign", "torn", "misplaced", "over", "other type"])
def test_values_that_are_not_ours_are_misses(server: RedisServer, settings: RedisSettings, spoil: str) -> None:
    async def scene() -> None:
        redis, name = server.client(), PREFIX + spoil.encode()
        redis.delete(name)
        whole = seal(name, b"payload", time.time() + 300)
        value = {
            "foreign": b"something of somebody else's",
            "torn": whole[:-1],
            "misplaced": seal(b"another", b"payload", time.time() + 300),
            "over": seal(name, b"payload", time.time() - 1),
        }.get(spoil)
        if value is None:
            redis.rpush(name, b"list")
        else:
            redis.set(name, value)
        counts = Counts()
        async with connected(settings, server.port) as store:
            assert await answered(cache_over(store, counts), spoil.encode()) == GOOD
            assert store.up
            # And it is mended by what was computed.
            await until(lambda: redis.type(name) == b"string" and redis.get(name) != value)
        assert counts.seen == {"local miss": 1, "redis miss": 1}

    run(scene())


def test_a_large_answer_stays_with_its_worker(server: RedisServer, settings: RedisSettings) -> None:
    async def scene() -> None:
        counts = Counts()
        async with connected(settings, server.port) as store:
            cache = ResponseCache(LocalCache(64 * 1024**2), store, counts, namespace="models", seconds=300)
            large = GOOD._replace(body=b"1" * LARGEST_VALUE_BYTES)
            cache.put(b"large", large)
            assert cache.local(b"large") == large
        assert counts.seen == {"redis bypass": 1, "local hit": 1}

    run(scene())


def test_a_full_redis_still_answers_what_it_has(own_server: RedisServer, settings: RedisSettings) -> None:
    async def scene() -> None:
        redis = own_server.client()
        async with connected(settings, own_server.port) as store:
            store.put(b"before", b"payload", 300)
            await until(lambda: redis.exists(PREFIX + b"before"))
            redis.config_set("maxmemory", 1)
            redis.config_set("maxmemory-policy", "noeviction")
            refused = redis.info("errorstats").get("errorstat_OOM", {"count": 0})["count"]
            assert store.put(b"after", b"payload", 300)
            await until(lambda: redis.info("errorstats").get("errorstat_OOM", {"count": 0})["count"] > refused)
            assert await looked_up(store.get(b"before")) == b"payload"
            assert await looked_up(store.get(b"after")) is None

    run(scene())
