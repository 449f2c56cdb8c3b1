"""Where the deployment records lie, and how often they are read."""

from __future__ import annotations

from dataclasses import dataclass

from contract import service
from contract.deployment import DEFAULT_TENANT
from contract.objects import check_model_name
from serving.reader import Reader, word

REFRESH_MS = 2000


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    table: str
    tenant: str
    refresh_seconds: float


def read(reader: Reader) -> DeploymentSettings | None:
    """None where no table is named: then every model follows the bucket."""
    tenant = reader.text(service.ENV_TENANT, check_model_name, DEFAULT_TENANT)
    refresh_ms = reader.number(service.ENV_DEPLOYMENTS_REFRESH_MS, REFRESH_MS, 100, 60_000)
    if not reader.given(service.ENV_DEPLOYMENTS_TABLE):
        return None
    return DeploymentSettings(
        table=reader.text(service.ENV_DEPLOYMENTS_TABLE, word), tenant=tenant, refresh_seconds=refresh_ms / 1000
    )
