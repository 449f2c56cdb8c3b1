"""The container's settings, read once from the environment; everything that is wrong is reported together."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from contract import service
from contract.objects import Version
from serving import disk, shelf, store
from serving.signature import TrustedKeys
from serving.wanted import Wanted, wanted

MIB = 1024**2
TIB = 1024**4
LOG_LEVELS = ("debug", "info", "warning", "error")
# "General purpose bucket naming rules" of the Amazon S3 user guide, the part that a pattern can say.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_T = TypeVar("_T")


class InvalidSettings(ValueError):
    """One or more variables are missing or not allowed; the message has a line for each."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the container runs with. The name of each variable is in `contract.service`."""

    models_bucket: str
    models: tuple[Wanted, ...]
    """Which models are served, each at its highest release or at a pinned version; the first is `/predict`'s."""
    trusted_keys: TrustedKeys
    """Whose signatures on a version are good; without any, versions need not be signed."""
    environment: str
    pod_name: str
    log_level: str
    host: str
    http_port: int
    probe_port: int
    """Ports may be 0: any free one, which the first log line names."""
    max_body_bytes: int
    max_rows: int
    request_timeout_seconds: int
    """Longest time a body may take to arrive, and that requests in flight get after the drain."""
    keep_alive_seconds: int
    """How long an idle connection is kept: longer than the load balancer keeps it, or it sends into a closed one."""
    drain_seconds: int
    """How long the container still answers after SIGTERM while readiness already says no."""
    refresh_seconds: int
    inference_threads: int
    workers: int
    """Processes that serve, each with the models in its own memory: one for each core that the container may use."""
    cache_dir: Path
    max_disk_bytes: int
    """How much of the cache's disk model versions may fill."""
    max_memory_bytes: int
    """How large the model files in one worker's memory may be together."""
    download_threads: int


def load(environ: Mapping[str, str]) -> Settings:
    """Read the variables; raise InvalidSettings naming each one at fault, its value and what is allowed."""
    read = _Reader(environ)
    settings = Settings(
        models_bucket=read.text(service.ENV_MODELS_BUCKET, _bucket),
        models=_models(read),
        trusted_keys=read.text(service.ENV_TRUSTED_KEYS, TrustedKeys.parse, ""),
        environment=read.text(service.ENV_ENVIRONMENT, _word, "local"),
        pod_name=read.text(service.ENV_POD_NAME, _word, socket.gethostname()),
        log_level=read.text(service.ENV_LOG_LEVEL, _log_level, "info"),
        host=read.text(service.ENV_HOST, _word, "0.0.0.0"),
        http_port=read.number(service.ENV_HTTP_PORT, service.HTTP_PORT, 0, 65_535),
        probe_port=read.number(service.ENV_PROBE_PORT, service.PROBE_PORT, 0, 65_535),
        max_body_bytes=read.number(service.ENV_MAX_BODY_BYTES, 1_048_576, 1024, 104_857_600),
        max_rows=read.number(service.ENV_MAX_ROWS, 1000, 1, 100_000),
        request_timeout_seconds=read.number(
            service.ENV_REQUEST_TIMEOUT_SECONDS, service.REQUEST_TIMEOUT_SECONDS, 1, 600
        ),
        keep_alive_seconds=read.number(service.ENV_KEEP_ALIVE_SECONDS, 75, 1, 4100),
        drain_seconds=read.number(service.ENV_DRAIN_SECONDS, service.DRAIN_SECONDS, 0, 600),
        refresh_seconds=read.number(service.ENV_REFRESH_SECONDS, 30, 1, 3600),
        inference_threads=read.number(service.ENV_INFERENCE_THREADS, 1, 1, 64),
        workers=read.number(service.ENV_WORKERS, 1, 1, 64),
        cache_dir=read.text(service.ENV_CACHE_DIR, Path, service.CACHE_DIR),
        max_disk_bytes=read.number(service.ENV_CACHE_BYTES, disk.DEFAULT_MAX_BYTES, MIB, TIB),
        max_memory_bytes=read.number(service.ENV_MODEL_MEMORY_BYTES, shelf.DEFAULT_MAX_BYTES, MIB, TIB),
        download_threads=read.number(service.ENV_DOWNLOAD_THREADS, store.DEFAULT_THREADS, 1, 32),
    )
    if settings.http_port == settings.probe_port != 0:
        read.faults.append(
            f"{service.ENV_PROBE_PORT} is {settings.probe_port}, the port of {service.ENV_HTTP_PORT}: give it its own"
        )
    if read.faults:
        raise InvalidSettings(read.faults)
    return settings


def _models(read: _Reader) -> tuple[Wanted, ...]:
    named = read.text(service.ENV_MODEL_NAME, wanted)
    version = read.text(service.ENV_MODEL_VERSION, _version_or_none, service.LATEST_VERSION)
    if version is None or read.faults:
        return named
    first, *others = named
    if others or first.version is not None:
        read.faults.append(
            f"{service.ENV_MODEL_VERSION} pins the version of a single model: with several, write the versions into "
            f"{service.ENV_MODEL_NAME}, as in churn=1.2.3,fraud"
        )
    return (Wanted(first.name, version),)


def _bucket(value: str) -> str:
    if _BUCKET.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens")
    return value


def _version_or_none(value: str) -> Version | None:
    return None if value == service.LATEST_VERSION else Version.parse(value)


def _log_level(value: str) -> str:
    if value not in LOG_LEVELS:
        raise ValueError(f"{value!r} is no level: one of {', '.join(LOG_LEVELS)} is allowed")
    return value


def _word(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"{value!r} has control characters or blanks around it: take them out")
    return value


class _Reader:
    """Reads one variable at a time and collects the faults: with any of them, no settings come of what was read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def text(self, variable: str, check: Callable[[str], _T], default: str | None = None) -> _T:
        value = self._environ.get(variable) or default
        if value is None:
            self.faults.append(f"{variable} is not set, and it has no default")
            return cast(_T, None)
        try:
            return check(value)
        except ValueError as error:
            self.faults.append(f"{variable}: {error}")
            return cast(_T, None)

    def number(self, variable: str, default: int, least: int, most: int) -> int:
        text = self._environ.get(variable) or str(default)
        # int() also takes signs, spaces, underscores and other scripts' digits: none of them is meant here.
        number = int(text) if text.isascii() and text.isdigit() else -1
        if not least <= number <= most:
            self.faults.append(f"{variable} is {text!r}: a whole number from {least} to {most} is allowed")
        return number
