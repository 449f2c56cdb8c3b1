"""A real Redis: shared by workers, and passed by when it is killed, hangs, refuses us, is full or talks nonsense."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.cache import redis_store
from serving.cache.local import LocalCache
from serving.cache.redis_store import LARGEST_VALUE_BYTES, PREFIX, READS_AT_ONCE, RedisStore
from serving.cache.responses import ResponseCache
from serving.cache.sealed import seal
from serving.cache.settings import RedisSettings
from serving.cache.store import Lookup
from serving.messages import Response
from tests.serving.redis_process import (
    PASSWORD,
    RedisServer,
    need_redis_server,
    run,
    seconds_of,
    stand_in,
    until,
)
from tests.serving.test_cache_responses import Counts

TIMEOUT_MS = 200
"""Long enough that a busy machine does not fail a test of something else."""
AT_MOST_SECONDS = 2 * TIMEOUT_MS / 1000 + 0.3
GOOD = Response(HTTPStatus.OK, b'{"predictions":[1]}', [(b"inference-header-content-length", b"19")], b"text/plain")


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


def greeting(sent: bytes) -> bytes:
    """Of a server that takes everybody in and then serves nobody."""
    return b"+OK\r\n" if b"AUTH" in sent else b"+PONG\r\n" if b"PING" in sent else b""


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


def certificate(directory: Path, *names: x509.GeneralName) -> tuple[Path, Path]:
    """One that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cache")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "cert.pem", directory / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.mark.parametrize(
    ("names", "vouched", "reason"),
    [
        ([LOOPBACK], True, None),
        ([LOOPBACK], False, "no connection (SSLCertVerificationError)"),
        ([x509.DNSName("elsewhere.example")], True, "no connection (SSLCertVerificationError)"),
    ],
    ids=["good", "unknown authority", "another host's"],
)
def test_over_tls_only_a_redis_that_proves_its_name_is_used(
    program: str,
    settings: RedisSettings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    names: list[x509.GeneralName],
    vouched: bool,
    reason: str | None,
) -> None:
    certificate_file, key_file = certificate(tmp_path, *names)
    server = RedisServer(
        program,
        f"tls-cert-file {certificate_file}",
        f"tls-key-file {key_file}",
        "tls-auth-clients no",
        port_setting="tls-port",
    )
    over_tls = replace(settings, tls=True, ca_file=certificate_file if vouched else None)

    async def scene() -> None:
        async with connecting(over_tls, server.port) as store:
            await until(lambda: store.up or caplog.records)
            assert store.up == (reason is None)
            if store.up:
                assert store.put(b"key", b"payload", 300)
                await until_found(store, b"key")

    try:
        with caplog.at_level(logging.WARNING, logger=redis_store.__name__):
            run(scene())
    finally:
        server.kill()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == ([] if reason is None else [reason])


async def until_found(store: RedisStore, name: bytes) -> None:
    while await looked_up(store.get(name)) is None:
        await asyncio.sleep(0)
