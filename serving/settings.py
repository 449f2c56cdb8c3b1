"""The container's settings, read once from the environment; everything that is wrong is reported together."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contract import service
from contract.objects import Version
from serving import disk, runtime, shelf, store
from serving.access import settings as access
from serving.access.settings import AccessSettings
from serving.cache import settings as cache
from serving.cache.settings import CacheSettings
from serving.deployments import settings as deployments
from serving.deployments.settings import DeploymentSettings
from serving.execution import settings as execution
from serving.execution.settings import ExecutionSettings
from serving.features import settings as features
from serving.features.settings import FeatureSettings
from serving.reader import InvalidSettings, Reader, word
from serving.rpc import settings as rpc
from serving.runtime import DeviceAbsent, Runtime
from serving.signature import TrustedKeys
from serving.tracing import settings as tracing_settings
from serving.tracing.settings import TracingSettings
from serving.wanted import Wanted, wanted

MIB = 1024**2
TIB = 1024**4
LOG_LEVELS = ("debug", "info", "warning", "error")
# "General purpose bucket naming rules" of the Amazon S3 user guide, the part that a pattern can say.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


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
    """Ports may be 0: any free one, which the first log lines name."""
    grpc_port: int | None
    """None: gRPC is not served."""
    access: AccessSettings
    max_body_bytes: int
    max_rows: int
    max_connections: int
    """Of one worker; more are answered 503 and closed."""
    max_wait_ms: int
    """How long a request may have waited before it is refused in place of answered late."""
    request_timeout_seconds: int
    """Longest time a body may take to arrive, and that requests in flight get after the drain."""
    keep_alive_seconds: int
    """How long an idle connection is kept: longer than the load balancer keeps it, or it sends into a closed one."""
    drain_seconds: int
    """How long the container still answers after SIGTERM while readiness already says no."""
    refresh_seconds: int
    deployments: DeploymentSettings | None
    """None: models follow the bucket alone."""
    runtime: Runtime
    execution: ExecutionSettings
    features: FeatureSettings
    cache: CacheSettings
    workers: int
    """Processes that serve, each with the models in its own memory: one for each core that the container may use."""
    cache_dir: Path
    max_disk_bytes: int
    """How much of the cache's disk model versions may fill."""
    max_memory_bytes: int
    """How large the model files in one worker's memory may be together."""
    download_threads: int
    tracing: TracingSettings | None


def load(environ: Mapping[str, str]) -> Settings:
    """Read the variables; raise InvalidSettings naming each one at fault, its value and what is allowed."""
    read = Reader(environ)
    settings = Settings(
        tracing=tracing_settings.read(read),
        models_bucket=read.text(service.ENV_MODELS_BUCKET, _bucket),
        models=_models(read),
        trusted_keys=read.text(service.ENV_TRUSTED_KEYS, TrustedKeys.parse, ""),
        environment=read.text(service.ENV_ENVIRONMENT, word, "local"),
        pod_name=read.text(service.ENV_POD_NAME, word, socket.gethostname()),
        log_level=read.text(service.ENV_LOG_LEVEL, _log_level, "info"),
        host=read.text(service.ENV_HOST, word, "0.0.0.0"),
        http_port=read.number(service.ENV_HTTP_PORT, service.HTTP_PORT, 0, 65_535),
        probe_port=read.number(service.ENV_PROBE_PORT, service.PROBE_PORT, 0, 65_535),
        grpc_port=rpc.read(read),
        access=access.read(read),
        max_body_bytes=read.number(service.ENV_MAX_BODY_BYTES, 1_048_576, 1024, 104_857_600),
        max_rows=read.number(service.ENV_MAX_ROWS, 1000, 1, 100_000),
        max_connections=read.number(service.ENV_MAX_CONNECTIONS, 4096, 1, 65_535),
        max_wait_ms=read.number(service.ENV_MAX_WAIT_MS, 100, 1, 60_000),
        request_timeout_seconds=read.number(
            service.ENV_REQUEST_TIMEOUT_SECONDS, service.REQUEST_TIMEOUT_SECONDS, 1, 600
        ),
        keep_alive_seconds=read.number(service.ENV_KEEP_ALIVE_SECONDS, 75, 1, 4100),
        drain_seconds=read.number(service.ENV_DRAIN_SECONDS, service.DRAIN_SECONDS, 0, 600),
        refresh_seconds=read.number(service.ENV_REFRESH_SECONDS, 30, 1, 3600),
        deployments=deployments.read(read),
        runtime=runtime.read(read),
        execution=execution.read(read),
        features=features.read(read),
        cache=cache.read(read),
        workers=read.number(service.ENV_WORKERS, 1, 1, 64),
        cache_dir=read.text(service.ENV_CACHE_DIR, Path, service.CACHE_DIR),
        max_disk_bytes=read.number(service.ENV_CACHE_BYTES, disk.DEFAULT_MAX_BYTES, MIB, TIB),
        max_memory_bytes=read.number(service.ENV_MODEL_MEMORY_BYTES, shelf.DEFAULT_MAX_BYTES, MIB, TIB),
        download_threads=read.number(service.ENV_DOWNLOAD_THREADS, store.DEFAULT_THREADS, 1, 32),
    )
    try:
        runtime.providers(settings.runtime)
    except DeviceAbsent as error:
        read.faults.append(str(error))
    _check_ports(settings, read.faults)
    if read.faults:
        raise InvalidSettings(read.faults)
    return settings


def _check_ports(settings: Settings, faults: list[str]) -> None:
    taken: dict[int, str] = {}
    for variable, port in (
        (service.ENV_HTTP_PORT, settings.http_port),
        (service.ENV_PROBE_PORT, settings.probe_port),
        (service.ENV_GRPC_PORT, settings.grpc_port),
    ):
        if port and port in taken:
            faults.append(f"{variable} is {port}, the port of {taken[port]}: give it its own")
        elif port:
            taken[port] = variable


def _models(read: Reader) -> tuple[Wanted, ...]:
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
