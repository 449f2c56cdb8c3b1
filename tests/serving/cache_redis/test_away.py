"""A Redis that is killed, hangs or loses its connections is passed by, and used again once it is back."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

import pytest

from serving.cache import redis_store
from serving.cache.redis_store import PREFIX
from serving.cache.settings import RedisSettings
from tests.serving.cache_counts import Counts
from tests.serving.cache_redis.connections import (
    AT_MOST_SECONDS,
    GOOD,
    answered,
    cache_over,
    connected,
    connecting,
    looked_up,
)
from tests.serving.redis_process import RedisServer, greeting, run, seconds_of, stand_in, until


def test_a_killed_redis_is_passed_by_and_used_again_when_it_is_back(
    own_server: RedisServer, settings: RedisSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        counts = Counts()
        async with connected(settings, own_server.port) as store:
            cache = cache_over(store, counts)
            assert await answered(cache, b"first") == GOOD
            own_server.kill()
            assert await seconds_of(answered(cache, b"second")) < AT_MOST_SECONDS
            await until(lambda: not store.up)
            assert await seconds_of(answered(cache, b"third")) < AT_MOST_SECONDS
            assert cache.get(b"fourth") is None
            assert counts.seen["redis bypass"] >= 2
            own_server.start()
            await until(lambda: store.up)
            cache.put(b"fifth", GOOD)
            await until(lambda: own_server.client().exists(PREFIX + b"fifth"))

    with caplog.at_level(logging.WARNING):
        run(scene())
    away, back = [record.getMessage() for record in caplog.records]
    assert "is passed by: no connection" in away
    assert "is in use" in back


def test_a_redis_that_hangs_holds_nobody_up_for_long(
    own_server: RedisServer, settings: RedisSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        counts = Counts()
        async with connected(settings, own_server.port) as store:
            cache = cache_over(store, counts)
            own_server.hang()
            try:
                burst = asyncio.gather(*(answered(cache, b"%d" % index) for index in range(100)))
                await until(lambda: counts.seen["redis bypass"])
                # What comes now waits for the exchange that hangs.
                behind = answered(cache, b"behind")
                assert await seconds_of(asyncio.gather(burst, behind)) < AT_MOST_SECONDS
                assert not store.up
                assert cache.get(b"later") is None
                assert counts.seen["redis bypass"] >= 100
            finally:
                own_server.go_on()
            await until(lambda: store.up)

    with caplog.at_level(logging.WARNING):
        run(scene())
    away, back = [record.getMessage() for record in caplog.records]
    assert away.endswith("is passed by: no answer in time")
    assert back.endswith("is in use")


def test_a_redis_that_hangs_from_the_start_is_never_waited_for(
    own_server: RedisServer, settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "CONNECT_SECONDS", 0.05)
    said = asyncio.Event()

    def warning(*_: object) -> None:
        said.set()

    monkeypatch.setattr(redis_store.logger, "warning", warning)

    async def scene() -> None:
        own_server.hang()
        try:
            async with connecting(settings, own_server.port) as store:
                assert cache_over(store).answer(b"key", lambda: GOOD) is GOOD
                await said.wait()
                assert not store.up
        finally:
            own_server.go_on()

    run(scene())


@pytest.mark.parametrize("values", [1, 8])
def test_a_worker_that_was_busy_itself_does_not_blame_redis(
    server: RedisServer, settings: RedisSettings, values: int
) -> None:
    async def scene() -> None:
        async with connected(replace(settings, timeout_ms=20), server.port) as store:
            names = [b"meanwhile %d" % index for index in range(values)]
            for name in names:
                store.put(name, b"1" * 20_000, 300)
            await until(lambda: server.client().exists(PREFIX + names[-1]))
            asked = [store.get(name) for name in names]
            # Let the question go out. Then models run, each for longer than the timeout.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for _ in range(4):
                time.sleep(0.03)
                await asyncio.sleep(0)
            assert [await looked_up(each) for each in asked] == [b"1" * 20_000] * values
            assert store.up

    run(scene())


def test_a_redis_that_serves_between_losses_is_asked_again_soon_each_time(
    server: RedisServer, settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "LONGEST_PAUSE_SECONDS", 10)

    async def scene() -> None:
        async with connected(settings, server.port) as store:
            started = time.monotonic()
            for _ in range(8):
                await until(lambda: store.up)
                assert await looked_up(store.get(b"never put")) is None
                server.client().client_kill_filter(_type="normal", skipme=True)
                asked = store.get(b"never put")
                assert asked is not None
                assert not (await asked).asked
            # Were the pauses to grow, they would be 0.01 s doubled seven times.
            assert time.monotonic() - started < 1

    run(scene())


def test_closing_lets_those_who_wait_go(settings: RedisSettings) -> None:
    async def scene() -> None:
        async with stand_in(greeting) as port:
            async with connected(settings, port) as store:
                asked = store.get(b"key")
                assert asked is not None
                waiting = asyncio.ensure_future(asked)
                await asyncio.sleep(0)
            assert not (await waiting).asked
            assert store.get(b"key") is None

    run(scene())
