"""The variables of the caches: what is allowed, and that nothing is imported for a cache that is off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from serving.cache import settings
from serving.cache.settings import CacheSettings, RedisSettings
from serving.reader import Reader
from tests.serving.process import ROOT

MODE = "SERVEML_RESPONSE_CACHE"
URL = "SERVEML_REDIS_URL"
PASSWORD_FILE = "SERVEML_REDIS_PASSWORD_FILE"
CA_FILE = "SERVEML_REDIS_CA_FILE"
PLAINTEXT = "SERVEML_REDIS_PLAINTEXT"


def read(**variables: str) -> tuple[CacheSettings, list[str]]:
    reader = Reader(variables)
    return settings.read(reader), reader.faults


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text("marker-7f3a\n")
    return str(path)


def test_without_variables_nothing_is_kept() -> None:
    assert read() == (CacheSettings(mode="off", seconds=300, max_bytes=33_554_432, redis=None), [])


def test_a_redis_with_tls_and_a_password_is_read_from_its_parts(password_file: str) -> None:
    given, faults = read(**{MODE: "redis", URL: "rediss://cache.example:6380/2", PASSWORD_FILE: password_file})
    assert faults == []
    assert given.redis == RedisSettings(
        host="cache.example", port=6380, database=2, tls=True, timeout_ms=20, password_file=Path(password_file)
    )


def test_the_redis_may_serve_other_parts_while_answers_are_not_kept() -> None:
    given, faults = read(**{URL: "rediss://cache.example"})
    assert faults == []
    assert given.mode == "off"
    assert given.redis is not None
    assert given.redis.port == 6379


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "[::1]", "localhost"])
def test_plain_text_is_allowed_on_loopback(host: str) -> None:
    given, faults = read(**{MODE: "redis", URL: f"redis://{host}:6379"})
    assert faults == []
    assert given.redis is not None
    assert not given.redis.tls


def test_plain_text_elsewhere_must_be_allowed_in_so_many_words() -> None:
    _, [fault] = read(**{MODE: "redis", URL: "redis://10.0.0.7:6379"})
    assert "in the clear" in fault
    assert f"{PLAINTEXT}=allowed" in fault
    given, faults = read(**{MODE: "redis", URL: "redis://10.0.0.7:6379", PLAINTEXT: "allowed"})
    assert faults == []
    assert given.redis is not None


@pytest.mark.parametrize(
    "url",
    [
        "rediss://:marker-7f3a@cache.example:6379",
        "rediss://user:marker-7f3a@cache.example",
        "rediss://cache.example?password=marker-7f3a",
        "rediss://cache.example/marker-7f3a",
        "rediss://cache.example:marker-7f3a",
        "rediss://cache.example:0",
        "rediss://cache.example:65536",
        "rediss://",
        "https://cache.example",
        "cache.example:6379",
        "rediss://[cache.example",
    ],
)
def test_a_url_that_is_none_is_one_fault_that_does_not_quote_it(url: str) -> None:
    given, [fault] = read(**{MODE: "redis", URL: url})
    assert given.redis is None
    assert fault.startswith(f"{URL}: ")
    assert "marker" not in fault
    assert "rediss://" in fault or PASSWORD_FILE in fault


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({MODE: "redis"}, f"{URL} is not set"),
        ({MODE: "on"}, "one of off, local, redis is allowed"),
        ({"SERVEML_RESPONSE_CACHE_SECONDS": "0"}, "a whole number from 1 to 86400"),
        ({"SERVEML_RESPONSE_CACHE_BYTES": "1000"}, "a whole number from 1048576"),
        ({"SERVEML_REDIS_TIMEOUT_MS": "5000"}, "a whole number from 1 to 1000"),
        ({URL: "rediss://cache.example", PASSWORD_FILE: "/nowhere/password"}, "'/nowhere/password' cannot be read"),
        ({URL: "rediss://cache.example", PASSWORD_FILE: "/dev/null"}, "'/dev/null' is empty"),
    ],
)
def test_each_fault_names_its_variable_and_what_is_allowed(variables: dict[str, str], says: str) -> None:
    _, [fault] = read(**variables)
    assert next(iter(reversed(variables))) in fault
    assert says in fault


@pytest.mark.parametrize("variable", [PASSWORD_FILE, CA_FILE])
def test_a_file_for_a_redis_that_is_not_named_is_a_mistake(variable: str, password_file: str) -> None:
    _, [fault] = read(**{variable: password_file})
    assert variable in fault
    assert URL in fault


def test_authorities_for_a_connection_without_certificates_are_a_mistake(password_file: str) -> None:
    _, [fault] = read(**{URL: "redis://127.0.0.1", CA_FILE: password_file})
    assert CA_FILE in fault
    assert "rediss://" in fault


IMPORTED = """
import sys
from serving.cache import opening, settings
from serving.reader import Reader
cache = opening.open_responses(settings.read(Reader({{"SERVEML_RESPONSE_CACHE": {mode!r}}})), None, None, namespace="b")
print(cache is None, "redis" in sys.modules, "serving.cache.responses" in sys.modules)
"""


@pytest.mark.parametrize(("mode", "says"), [("off", "True False False"), ("local", "False False True")])
def test_only_what_is_switched_on_is_imported(mode: str, says: str) -> None:
    program = IMPORTED.format(mode=mode)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == says, done.stderr
