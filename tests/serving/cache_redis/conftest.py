"""A real Redis and the settings to reach it, without long pauses between two tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.cache import redis_store
from serving.cache.settings import RedisSettings
from tests.serving.cache_redis.connections import TIMEOUT_MS
from tests.serving.redis_process import PASSWORD, RedisServer, need_redis_server


@pytest.fixture(scope="module")
def program() -> str:
    return need_redis_server()


@pytest.fixture(scope="module")
def server(program: str) -> Iterator[RedisServer]:
    """For tests that leave it as it was."""
    server = RedisServer(program)
    yield server
    server.kill()


@pytest.fixture
def own_server(program: str) -> Iterator[RedisServer]:
    """For a test that may kill it."""
    server = RedisServer(program)
    yield server
    server.kill()


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture
def settings(password_file: Path) -> RedisSettings:
    return RedisSettings(
        host="127.0.0.1", port=1, database=0, tls=False, timeout_ms=TIMEOUT_MS, password_file=password_file
    )


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "SHORTEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(redis_store, "LONGEST_PAUSE_SECONDS", 0.05)
