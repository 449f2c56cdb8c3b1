"""What the serving container reads from its environment: the ConfigMap, and the checksum that rolls the pods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.workload import authentication, labels
from components.workload.authentication import Authentication
from components.workload.errors import InvalidWorkload
from components.workload.labels import Manifest
from contract import objects, service

CONFIG_MAP = labels.APPLICATION

CHECKSUM_ANNOTATION = "serveml/configuration-sha256"
"""On the pods' template: they read the ConfigMap at their start alone, so a change of content has to roll them."""

LOG_LEVELS = ("debug", "info", "warning", "error")

# The AWS SDK for Python reads its region from this variable and from no other (boto3 guide, "Configuration").
_SDK_REGION = "AWS_DEFAULT_REGION"

_NO_PORT = "off"


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How the container serves. `model_version` is `latest`, or a semantic version to pin."""

    environment: str
    log_level: str
    models_bucket: pulumi.Input[str]
    deployments_table: pulumi.Input[str]
    """Whose record of the model, once there is one, decides which versions serve."""
    model_name: str
    model_version: str
    max_body_bytes: int
    drain_seconds: int
    refresh_seconds: int
    keep_alive_seconds: int
    """Longer than the load balancer keeps an idle connection, or it would send into one that is closing."""
    workers: int
    """Processes of a pod: one for each core that it may use."""
    max_wait_ms: int
    """A request that has waited longer for its turn is refused, so that the others are answered in time."""
    max_connections: int
    """Connections that one worker keeps open."""
    grpc: bool
    """Whether gRPC is served beside HTTP."""
    authentication: Authentication | None
    """What callers must show; None lets everybody in."""
    tracing: Mapping[str, str] = field(default_factory=dict[str, str])
    """OpenTelemetry's own variables; without any, nothing is traced."""

    def __post_init__(self) -> None:
        objects.check_model_name(self.model_name)
        if self.model_version != service.LATEST_VERSION:
            objects.Version.parse(self.model_version)
        if self.log_level not in LOG_LEVELS:
            raise InvalidWorkload(f"log level {self.log_level!r} is not known: use one of {', '.join(LOG_LEVELS)}")
        bounds = (
            ("max_body_bytes", self.max_body_bytes, 1),
            ("drain_seconds", self.drain_seconds, 0),
            ("refresh_seconds", self.refresh_seconds, 1),
            ("keep_alive_seconds", self.keep_alive_seconds, 1),
            ("workers", self.workers, 1),
            ("max_wait_ms", self.max_wait_ms, 1),
            ("max_connections", self.max_connections, 1),
        )
        for what, value, least in bounds:
            if value < least:
                raise InvalidWorkload(f"{what} is {value}: give a whole number, {least} or more")


def environment(settings: ServerSettings, region: str) -> dict[str, pulumi.Input[str]]:
    """The container's environment variables, by the names of the contract."""
    return {
        service.ENV_ENVIRONMENT: settings.environment,
        service.ENV_LOG_LEVEL: settings.log_level,
        service.ENV_MODELS_BUCKET: settings.models_bucket,
        service.ENV_DEPLOYMENTS_TABLE: settings.deployments_table,
        service.ENV_MODEL_NAME: settings.model_name,
        service.ENV_MODEL_VERSION: settings.model_version,
        service.ENV_HTTP_PORT: str(service.HTTP_PORT),
        service.ENV_PROBE_PORT: str(service.PROBE_PORT),
        service.ENV_MAX_BODY_BYTES: str(settings.max_body_bytes),
        service.ENV_DRAIN_SECONDS: str(settings.drain_seconds),
        service.ENV_REFRESH_SECONDS: str(settings.refresh_seconds),
        service.ENV_KEEP_ALIVE_SECONDS: str(settings.keep_alive_seconds),
        service.ENV_WORKERS: str(settings.workers),
        service.ENV_MAX_WAIT_MS: str(settings.max_wait_ms),
        service.ENV_MAX_CONNECTIONS: str(settings.max_connections),
        service.ENV_GRPC_PORT: str(service.GRPC_PORT) if settings.grpc else _NO_PORT,
        service.ENV_CACHE_DIR: service.CACHE_DIR,
        _SDK_REGION: region,
        **authentication.variables(settings.authentication),
        **settings.tracing,
    }


def checksum(variables: Mapping[str, str]) -> str:
    """A digest of the variables, the same for the same content in any order."""
    return hashlib.sha256(json.dumps(dict(variables), sort_keys=True).encode()).hexdigest()


def config_map(variables: Mapping[str, pulumi.Input[str]]) -> Manifest:
    """The ConfigMap that the pods of both tracks read at their start."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": labels.metadata(CONFIG_MAP),
        "data": dict(variables),
    }
