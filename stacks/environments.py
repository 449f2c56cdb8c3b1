"""What each environment changes of the settings' own defaults. A stack's file changes these in turn."""

from __future__ import annotations

from collections.abc import Mapping

from infra.settings.model import Environment
from infra.settings.observability import Observability
from infra.settings.sections import Budget, Cluster, Network, NodePool, NodePools, Section, Storage
from infra.settings.traffic import Autoscaling, Edge, Quota, Workload

Defaults = Mapping[str, Section | str | int | bool]


def defaults(environment: Environment) -> Defaults:
    """Top-level settings that the environment changes; only fields given explicitly count."""
    return _DEFAULTS[environment]


_DEV: Defaults = {
    "data_class": "test",
    "log_level": "debug",
    "auto_shutdown": True,
    "network": Network(nat_gateways="single"),
    "cluster": Cluster(
        log_retention_days=7,
        node_pools=NodePools(
            general=NodePool(cpu_limit=16, memory_limit_gib=64),
            spot=NodePool(cpu_limit=16, memory_limit_gib=64),
        ),
    ),
    "storage": Storage(
        audit_retention_days=30,
        access_log_retention_days=14,
        force_destroy=True,
        key_deletion_window_days=7,
        secret_recovery_window_days=0,
    ),
    "workload": Workload(
        autoscaling=Autoscaling(replicas_min=1, replicas_max=3),
        min_available=0,
        quota=Quota(cpu_request_cores=8, cpu_limit_cores=16, memory_request_gib=16, memory_limit_gib=32),
    ),
    "edge": Edge(waf_log_retention_days=7),
    "observability": Observability(level="off"),
    "budget": Budget(limit_usd=500),
}

_STAGING: Defaults = {
    "data_class": "anonymised",
    "log_level": "info",
    "auto_shutdown": True,
    "network": Network(nat_gateways="single"),
    "cluster": Cluster(
        log_retention_days=30, node_pools=NodePools(general=NodePool(cpu_limit=48, memory_limit_gib=192))
    ),
    "storage": Storage(force_destroy=True, audit_retention_days=90, secret_recovery_window_days=0),
    "workload": Workload(autoscaling=Autoscaling(replicas_min=3, replicas_max=6)),
    "observability": Observability(level="basic", metrics_retention_days=7),
    "budget": Budget(limit_usd=2000),
}

_PROD: Defaults = {
    "data_class": "real",
    "log_level": "warning",
    "auto_shutdown": False,
    "protect": True,
    "secondary_region": True,
    "network": Network(nat_gateways="per_zone"),
    "cluster": Cluster(log_retention_days=365),
    "storage": Storage(object_lock=True),
    "workload": Workload(headroom_pods=3),
    "edge": Edge(price_class="PriceClass_All", waf_log_retention_days=90),
    "observability": Observability(level="full", metrics_storage_gib=100),
    "budget": Budget(limit_usd=10_000),
}

# As prod in shape, so that what works on a laptop is what runs; sized as dev.
_LOCAL: Defaults = {
    **_DEV,
    "secondary_region": True,
    "cluster": Cluster(
        log_retention_days=7,
        node_pools=NodePools(gpu=NodePool(enabled=True)),
        manifests_directory=".local/manifests",
    ),
    "workload": Workload(
        autoscaling=Autoscaling(replicas_min=2, replicas_max=4),
        min_available=1,
        quota=Quota(cpu_request_cores=8, cpu_limit_cores=16, memory_request_gib=16, memory_limit_gib=32, gpus=1),
    ),
    "observability": Observability(level="basic", metrics_retention_days=7, metrics_storage_gib=10),
}

_DEFAULTS: dict[Environment, Defaults] = {
    Environment.DEV: _DEV,
    Environment.STAGING: _STAGING,
    Environment.PROD: _PROD,
    Environment.LOCAL: _LOCAL,
}
