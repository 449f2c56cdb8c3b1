"""No option does nothing: the composition reads every setting, and changing one changes the graph."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.settings.reference import leaves
from localcloud.graph import Graph
from tests.stacks.conftest import build

# Two values for each setting, either of which the dev stack accepts beside `WITH`.
WITH: dict[str, Any] = {"cluster": {"endpoint_public_access": True, "endpoint_public_cidrs": ["198.51.100.0/24"]}}
OTHER: dict[str, Any] = {
    "domain": "other.example.com",
    "residency": "eu",
    "secondary_region": True,
    "hosted_zone_id": "Z0123456789ABC",
    "image": "registry.example.com/serveml/inference@sha256:" + "2" * 64,
    "project": "other",
    "owner": "others",
    "cost_center": "other",
    "data_class": "real",
    "auto_shutdown": False,
    "protect": True,
    "log_level": "error",
    "network.primary_cidr": "10.9.0.0/16",
    "network.zones": 2,
    "network.public_prefix_length": 25,
    "network.private_prefix_length": 21,
    "network.nat_gateways": "per_zone",
    "network.interface_endpoints": ["sts"],
    "cluster.kubernetes_version": "1.33",
    "cluster.endpoint_public_cidrs": ["203.0.113.0/24"],
    "cluster.admin_principal_arns": ["arn:aws:iam::123456789012:role/admin"],
    "cluster.log_retention_days": 14,
    "cluster.addon_versions": {},
    "cluster.node_pools.general.enabled": False,
    "cluster.node_pools.general.cpu_limit": 17,
    "cluster.node_pools.general.memory_limit_gib": 65,
    "cluster.node_pools.spot.enabled": False,
    "cluster.node_pools.spot.cpu_limit": 17,
    "cluster.node_pools.spot.memory_limit_gib": 65,
    "cluster.manifests_directory": "manifests",
    "storage.staging_retention_days": 31,
    "storage.datasets_cold_after_days": 91,
    "storage.backup_retention_days": 31,
    "storage.audit_retention_days": 31,
    "storage.access_log_retention_days": 15,
    "storage.noncurrent_retention_days": 31,
    "storage.force_destroy": False,
    "storage.secret_recovery_window_days": 7,
    "storage.key_deletion_window_days": 8,
    "images.repository": "other",
    "images.controller_repository": "other-controller",
    "images.retained_images": 31,
    "ingress.health_interval_seconds": 31,
    "ingress.health_timeout_seconds": 6,
    "ingress.healthy_threshold": 3,
    "ingress.unhealthy_threshold": 4,
    "ingress.idle_timeout_seconds": 61,
    "ingress.rate_limit_per_5_minutes": 11,
    "edge.rate_limit_per_5_minutes": 11,
    "edge.static_min_ttl_seconds": 1,
    "edge.static_default_ttl_seconds": 604_801,
    "edge.static_max_ttl_seconds": 31_536_001,
    "edge.price_class": "PriceClass_200",
    "edge.waf_log_retention_days": 14,
    "failover.primary_weight": 99,
    "failover.health_interval_seconds": 10,
    "failover.failure_threshold": 4,
    "workload.model_name": "other",
    "workload.model_version": "1.2.3",
    "workload.autoscaling.replicas_min": 2,
    "workload.autoscaling.replicas_max": 4,
    "workload.autoscaling.cpu_percent": 71,
    "workload.autoscaling.memory_percent": 81,
    "workload.autoscaling.scale_up_period_seconds": 31,
    "workload.autoscaling.scale_down_period_seconds": 301,
    "workload.headroom_pods": 1,
    "workload.quota.cpu_request_cores": 9,
    "workload.quota.cpu_limit_cores": 17,
    "workload.quota.memory_request_gib": 17,
    "workload.quota.memory_limit_gib": 33,
    "workload.quota.gpus": 1,
    "workload.cpu_request_millicores": 501,
    "workload.cpu_limit_millicores": 1999,
    "workload.memory_request_mib": 513,
    "workload.memory_limit_mib": 2047,
    "workload.await_rollout": False,
    "workload.drain_seconds": 21,
    "workload.refresh_seconds": 31,
    "workload.max_body_bytes": 1_048_577,
    "workload.max_wait_ms": 101,
    "workload.max_connections": 4097,
    "workload.grpc": False,
    "access.authentication": "off",
    "access.keys_refresh_seconds": 11,
    "access.requests_per_minute": 101,
    "access.model_requests_per_minute": {"demo": 6000},
    "observability.level": "basic",
    "observability.alarm_emails": ["oncall@example.com"],
    "budget.limit_usd": 501,
    "budget.actual_percent": 81,
    "budget.forecast_percent": 99,
    "budget.emails": ["team@example.com"],
}

TOKENS = {
    "token_issuer": "https://issuer.example.com",
    "token_audience": "serveml",
    "token_keys_url": "https://issuer.example.com/keys",
}

CONTROLLER_IMAGE = "registry.example.com/serveml/canary-controller@sha256:" + "5" * 64
ADAPTER_IMAGE = "registry.example.com/prometheus-adapter@sha256:" + "4" * 64
WATCHED: dict[str, Any] = {"observability": {"level": "basic"}}
SCALED_BY_REQUESTS: dict[str, Any] = {"observability": {"level": "basic", "adapter_image": ADAPTER_IMAGE}}

# Settings that need others beside them; each has a test of its own in test_prod.py or in the rows below.
TOGETHER: dict[str, dict[str, Any]] = {
    "network.secondary_cidr": {"secondary_region": True, "network": {"secondary_cidr": "10.8.0.0/16"}},
    "cluster.node_pools.gpu.enabled": {
        "cluster": {"node_pools": {"gpu": {"enabled": True}}},
        "workload": {"quota": {"gpus": 1}},
    },
    "cluster.node_pools.gpu.cpu_limit": {
        "cluster": {"node_pools": {"gpu": {"enabled": True, "cpu_limit": 33}}},
        "workload": {"quota": {"gpus": 1}},
    },
    "cluster.node_pools.gpu.memory_limit_gib": {
        "cluster": {"node_pools": {"gpu": {"enabled": True, "memory_limit_gib": 129}}},
        "workload": {"quota": {"gpus": 1}},
    },
    "failover.secondary_weight": {"secondary_region": True, "failover": {"secondary_weight": 1}},
    "storage.object_lock": {"storage": {"object_lock": True, "force_destroy": False}},
    "cluster.endpoint_public_access": {"cluster": {"endpoint_public_access": False, "endpoint_public_cidrs": []}},
    "workload.canary_image": {
        "workload": {"canary_image": "registry.example.com/serveml/inference@sha256:" + "3" * 64}
    },
    "workload.canary_replicas": {
        "workload": {
            "canary_image": "registry.example.com/serveml/inference@sha256:" + "3" * 64,
            "canary_replicas": 3,
        }
    },
    "workload.min_available": {"workload": {"autoscaling": {"replicas_min": 2}, "min_available": 1}},
    "workload.autoscaling.requests_per_second": {
        **SCALED_BY_REQUESTS,
        "workload": {"autoscaling": {"requests_per_second": 101}},
    },
    "observability.adapter_image": SCALED_BY_REQUESTS,
    "observability.controller_image": {"observability": {"level": "basic", "controller_image": CONTROLLER_IMAGE}},
    "observability.runbooks_url": {"observability": {"level": "basic", "runbooks_url": "https://example.com/pages"}},
    "observability.metrics_retention_days": {"observability": {"level": "basic", "metrics_retention_days": 8}},
    "observability.metrics_storage_gib": {"observability": {"level": "basic", "metrics_storage_gib": 51}},
    "observability.log_retention_days": {"observability": {"level": "basic", "log_retention_days": 14}},
    "observability.traces_percent": {"observability": {"level": "full", "traces_percent": 11}},
    "access.token_issuer": {"access": {**TOKENS, "token_issuer": "https://other.example.com"}},
    "access.token_audience": {"access": {**TOKENS, "token_audience": "other"}},
    "access.token_keys_url": {"access": {**TOKENS, "token_keys_url": "https://other.example.com/keys"}},
    "edge.enabled": {"edge": {"enabled": False}, "ingress": {"client_cidrs": ["198.51.100.0/24"]}},
    "ingress.client_cidrs": {"edge": {"enabled": False}, "ingress": {"client_cidrs": ["203.0.113.0/24"]}},
    "ingress.canary_weight": {
        "workload": {"canary_image": "registry.example.com/serveml/inference@sha256:" + "3" * 64},
        "ingress": {"canary_weight": 10},
    },
    "tls": {
        "tls": False,
        "edge": {"enabled": False},
        "ingress": {"client_cidrs": ["198.51.100.0/24"]},
    },
}
# What each row of TOGETHER is compared with: the same stack without the setting itself.
WITHOUT: dict[str, dict[str, Any]] = {
    "network.secondary_cidr": {"secondary_region": True},
    "cluster.node_pools.gpu.enabled": {"workload": {"quota": {"gpus": 1}}},
    "cluster.node_pools.gpu.cpu_limit": TOGETHER["cluster.node_pools.gpu.enabled"],
    "cluster.node_pools.gpu.memory_limit_gib": TOGETHER["cluster.node_pools.gpu.enabled"],
    "failover.secondary_weight": {"secondary_region": True},
    "storage.object_lock": {"storage": {"force_destroy": False}},
    "workload.canary_replicas": TOGETHER["workload.canary_image"],
    "workload.min_available": {"workload": {"autoscaling": {"replicas_min": 2}}},
    "workload.autoscaling.requests_per_second": SCALED_BY_REQUESTS,
    **{
        f"observability.{name}": WATCHED
        for name in (
            "adapter_image",
            "controller_image",
            "runbooks_url",
            "metrics_retention_days",
            "metrics_storage_gib",
            "log_retention_days",
        )
    },
    "observability.traces_percent": {"observability": {"level": "full"}},
    **{f"access.{name}": {"access": TOKENS} for name in TOKENS},
    "ingress.client_cidrs": TOGETHER["edge.enabled"],
    "ingress.canary_weight": TOGETHER["workload.canary_image"],
    "tls": TOGETHER["edge.enabled"],
}

SETTINGS = [".".join(path) for path, _ in leaves()]


def nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    result = dict(one)
    for key, value in other.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def dev(changes: dict[str, Any]) -> Graph:
    settings = merged(WITH, changes)
    return build("dev", *((f"serveml:{k}", v if isinstance(v, str) else json.dumps(v)) for k, v in settings.items()))


def shape(graph: Graph) -> list[Any]:
    return sorted((node.urn, node.protect, json.dumps(node.inputs, sort_keys=True)) for node in graph)


def test_each_setting_is_in_one_of_the_tables() -> None:
    assert set(SETTINGS) - {"environment"} == OTHER.keys() | TOGETHER.keys()


@pytest.mark.parametrize("key", [key for key in SETTINGS if key != "environment"])
def test_changing_a_setting_changes_the_graph(key: str) -> None:
    changes = TOGETHER.get(key) or nested(key, OTHER[key])
    before, after = dev(WITHOUT.get(key, {})), dev(changes)
    assert shape(before) != shape(after), f"serveml:{key} does nothing"
