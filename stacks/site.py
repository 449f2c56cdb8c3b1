"""One region's cluster and what its pods work with: what the parts that run inside it are built from."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.base import Place
from components.cluster.cluster import Cluster
from components.ingress.ingress import Ingress
from components.keys.keys import Keys
from components.models.store import ModelStore
from components.registry.api_keys import ApiKeys
from components.registry.deployments import Registry
from components.secrets.secrets import Secrets
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Site:
    settings: Settings
    place: Place
    account_id: str
    keys: Keys
    store: ModelStore
    api_keys: ApiKeys
    registry: Registry
    secrets: Secrets
    alarm_topic_arn: pulumi.Output[str]
    """In the place's region."""
    cluster: Cluster
    ingress: Ingress
    cidr: str
    """Of the VPC."""
    zones: int
