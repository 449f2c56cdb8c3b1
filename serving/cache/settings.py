"""What is kept, for how long, how much of it, and where the Redis is; imports nothing that a cache needs to run."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from contract import service
from serving.reader import Reader

OFF, LOCAL, REDIS = "off", "local", "redis"
REFUSED, ALLOWED = "refused", "allowed"

DEFAULT_SECONDS = 300
DEFAULT_BYTES = 32 * 1024**2
LEAST_BYTES = 1024**2
MOST_BYTES = 64 * 1024**3
MOST_SECONDS = 86_400
DEFAULT_TIMEOUT_MS = 20
MOST_TIMEOUT_MS = 1000
DEFAULT_PORT = 6379
MOST_DATABASE = 9999

_EXAMPLE = "rediss://cache.example:6379"


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """Where the Redis is and what proves it and us. The password is in a file, and is read anew for each connection."""

    host: str
    port: int
    database: int
    tls: bool
    timeout_ms: int
    """How long a command may take; a request waits for at most two."""
    password_file: Path | None = None
    ca_file: Path | None = None
    """Whose certificates are good, besides the system's authorities."""


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Whether answers are kept, and the Redis, which other parts may use while answers are not kept in it."""

    mode: str = OFF
    """`off`, `local` (each worker its own) or `redis` (all pods share, and each worker keeps its own as well)."""
    seconds: int = DEFAULT_SECONDS
    max_bytes: int = DEFAULT_BYTES
    """How much of one worker's memory the answers may fill."""
    redis: RedisSettings | None = None


def read(reader: Reader) -> CacheSettings:
    """The settings; what is wrong becomes faults of the reader, none of which quotes the URL: it may hold a secret."""
    mode = reader.choice(service.ENV_RESPONSE_CACHE, OFF, (OFF, LOCAL, REDIS))
    redis = _redis(reader)
    if mode == REDIS and not reader.given(service.ENV_REDIS_URL):
        reader.faults.append(
            f"{service.ENV_RESPONSE_CACHE} is {REDIS!r}, and {service.ENV_REDIS_URL} is not set: "
            f"set it, as in {_EXAMPLE}, or choose {LOCAL!r}"
        )
    return CacheSettings(
        mode=mode,
        seconds=reader.number(service.ENV_RESPONSE_CACHE_SECONDS, DEFAULT_SECONDS, 1, MOST_SECONDS),
        max_bytes=reader.number(service.ENV_RESPONSE_CACHE_BYTES, DEFAULT_BYTES, LEAST_BYTES, MOST_BYTES),
        redis=redis,
    )


def _redis(reader: Reader) -> RedisSettings | None:
    timeout_ms = reader.number(service.ENV_REDIS_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, 1, MOST_TIMEOUT_MS)
    plaintext = reader.choice(service.ENV_REDIS_PLAINTEXT, REFUSED, (REFUSED, ALLOWED))
    password_file = _file(reader, service.ENV_REDIS_PASSWORD_FILE)
    ca_file = _file(reader, service.ENV_REDIS_CA_FILE)
    if not reader.given(service.ENV_REDIS_URL):
        reader.faults += [
            f"{variable} is set, and {service.ENV_REDIS_URL} is not: set both or neither"
            for variable in (service.ENV_REDIS_PASSWORD_FILE, service.ENV_REDIS_CA_FILE)
            if reader.given(variable)
        ]
        return None
    address = reader.text(service.ENV_REDIS_URL, _address)
    if cast("_Address | None", address) is None:
        return None
    host, port, database, tls = address
    if not tls and plaintext != ALLOWED and not _loopback(host):
        reader.faults.append(
            f"{service.ENV_REDIS_URL} is redis:// to {host}, which sends answers and the password in the clear: use "
            f"rediss://, or set {service.ENV_REDIS_PLAINTEXT}={ALLOWED} where the network itself is trusted"
        )
    if not tls and reader.given(service.ENV_REDIS_CA_FILE):
        reader.faults.append(
            f"{service.ENV_REDIS_CA_FILE} is set, and {service.ENV_REDIS_URL} is redis://, which has no certificate: "
            "use rediss://"
        )
    return RedisSettings(
        host=host,
        port=port,
        database=database,
        tls=tls,
        timeout_ms=timeout_ms,
        password_file=password_file,
        ca_file=ca_file,
    )


_Address = tuple[str, int, int, bool]


def _address(value: str) -> _Address:
    shape = f"write rediss://host:port or rediss://host:port/database, as in {_EXAMPLE}"
    if "@" in value:
        raise ValueError(
            f"user and password have no place in the URL: put the password into a file that "
            f"{service.ENV_REDIS_PASSWORD_FILE} names"
        )
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"the host or port is malformed: {shape}") from None
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError(f"the scheme is none of redis, rediss: {shape}")
    if not host or port == 0:
        raise ValueError(f"the host is missing, or the port is 0: {shape}")
    if parts.query or parts.fragment:
        raise ValueError(f"a query or fragment has no meaning here: {shape}")
    database = parts.path.removeprefix("/") or "0"
    if not (database.isascii() and database.isdigit() and int(database) <= MOST_DATABASE):
        raise ValueError(f"the path is no database from 0 to {MOST_DATABASE}: {shape}")
    return host, port or DEFAULT_PORT, int(database), parts.scheme == "rediss"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _file(reader: Reader, variable: str) -> Path | None:
    return reader.text(variable, _readable) if reader.given(variable) else None


def _readable(value: str) -> Path:
    path = Path(value)
    try:
        if path.read_bytes().strip():
            return path
    except OSError as error:
        raise ValueError(
            f"{value!r} cannot be read ({error.strerror}): name a file that this process may read"
        ) from None
    raise ValueError(f"{value!r} is empty: put the content into it, or leave the variable unset")
