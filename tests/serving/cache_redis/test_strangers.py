"""Whatever refuses us or talks nonsense at the address of a Redis is passed by, and what we said to it is not told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from serving.cache import redis_store
from serving.cache.settings import RedisSettings
from tests.serving.cache_redis.connections import GOOD, cache_over, connected, connecting, looked_up
from tests.serving.redis_process import PASSWORD, RedisServer, greeting, run, stand_in, until


@pytest.mark.parametrize("content", ["marker-of-a-wrong-password", None])
def test_a_password_that_is_refused_or_lacking_is_said_once_and_not_quoted(
    server: RedisServer, settings: RedisSettings, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    if content is None:
        settings = replace(settings, password_file=None)
    else:
        assert settings.password_file is not None
        settings.password_file.write_text(content)
    tries = server.client().info("errorstats")

    def refusals() -> int:
        now = server.client().info("errorstats")
        return sum(now.get(kind, {"count": 0})["count"] - tries.get(kind, {"count": 0})["count"] for kind in KINDS)

    async def scene() -> None:
        async with connecting(settings, server.port) as store:
            await until(lambda: refusals() >= 3)
            assert not store.up
            assert cache_over(store).answer(b"key", lambda: GOOD) is GOOD

    with caplog.at_level(logging.DEBUG):
        run(scene())
    said = [record.getMessage() for record in caplog.records if record.name == redis_store.__name__]
    assert said == [f"Redis at 127.0.0.1:{server.port} is passed by: it refuses the password, or wants one"]
    assert "marker" not in caplog.text


KINDS = ("errorstat_WRONGPASS", "errorstat_NOAUTH")


def test_a_rotated_password_counts_from_the_next_connection_on(
    own_server: RedisServer, settings: RedisSettings, password_file: Path
) -> None:
    async def scene() -> None:
        async with connected(settings, own_server.port) as store:
            redis = own_server.client()
            redis.config_set("requirepass", "rotated")
            password_file.write_text("rotated")
            redis.client_kill_filter(_type="normal", skipme=True)
            asked = store.get(b"key")
            if asked is not None:
                await asked
            await until(lambda: not store.up)
            await until(lambda: store.up)
            assert await looked_up(store.get(b"key")) is None

    run(scene())


def like_a_web_server(_: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


def quoting(sent: bytes) -> bytes:
    """As a server without the command AUTH does."""
    return b"-ERR unknown command, with args beginning with: " + repr(sent).encode() + b"\r\n"


def not_quite(sent: bytes) -> bytes:
    return b"+OK\r\n" if b"AUTH" in sent else b"+NOTPONG\r\n"


def noise(_: bytes) -> bytes:
    return b"\x00\xff" * 100 + b"\r\n"


@pytest.mark.parametrize("answer", [like_a_web_server, quoting, not_quite, noise])
def test_whatever_else_listens_there_is_passed_by_and_not_quoted(
    settings: RedisSettings, caplog: pytest.LogCaptureFixture, answer: Callable[[bytes], bytes]
) -> None:
    async def scene() -> None:
        times: list[float] = []
        async with (
            stand_in(answer, lambda: times.append(time.monotonic())) as port,
            connecting(settings, port) as store,
        ):
            await until(lambda: len(times) >= 3)
            assert not store.up
            assert cache_over(store).answer(b"key", lambda: GOOD) is GOOD

    with caplog.at_level(logging.DEBUG):
        run(scene())
    [said] = [record.getMessage() for record in caplog.records if record.name == redis_store.__name__]
    assert "is passed by: it answers" in said
    assert PASSWORD not in caplog.text


def test_a_redis_that_greets_and_does_not_serve_is_asked_more_and_more_seldom(
    settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "LONGEST_PAUSE_SECONDS", 10)

    async def scene() -> None:
        times: list[float] = []
        async with (
            stand_in(greeting, lambda: times.append(time.monotonic())) as port,
            connecting(replace(settings, timeout_ms=1), port) as store,
        ):
            while len(times) < 7:
                await until(lambda: store.up)
                asked = store.get(b"key")
                assert asked is not None
                assert not (await asked).asked
        pauses = [after - before for before, after in pairwise(times)]
        # 0.01 s, doubled five times, give or take half: at least 0.16 s.
        assert pauses[-1] > 0.15 > pauses[0]

    run(scene())


@pytest.mark.parametrize("reply", [b"*1\r\n$-1\r\n", b"$-1\r\n", b":7\r\n", b"-MOVED 1 10.0.0.7:6379\r\n"])
def test_a_reply_that_is_not_to_the_question_passes_by(settings: RedisSettings, reply: bytes) -> None:
    async def scene() -> None:
        async with (
            stand_in(lambda sent: greeting(sent) or reply) as port,
            connected(settings, port) as store,
        ):
            asked = [store.get(b"a"), store.get(b"b")]
            for each in asked:
                assert each is not None
                assert not (await each).asked
            assert not store.up

    run(scene())
