"""The policies of every namespace and of the serving pods, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from components.workload import isolation
from tests.support.workload import NEIGHBOURS


def flows(*, metrics: bool = True, traces: bool = False, grpc: bool = True) -> dict[str, Any]:
    """The one rule of each serving policy, by the policy's name."""
    rules: dict[str, Any] = {}
    neighbours = replace(NEIGHBOURS, metrics=metrics, traces=traces)
    for policy in isolation.serving_policies(neighbours, grpc=grpc):
        (direction,) = policy["spec"]["policyTypes"]
        (rule,) = policy["spec"][direction.lower()]
        rules[policy["metadata"]["name"]] = rule
    return rules


def test_default_deny_covers_every_pod_in_both_directions_and_allows_nothing() -> None:
    assert isolation.default_deny("data")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_dns_is_allowed_by_address_since_auto_modes_dns_has_no_pods() -> None:
    spec = isolation.allow_dns("data")["spec"]

    assert spec["podSelector"] == {}
    (rule,) = spec["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
    assert sorted((port["protocol"], port["port"]) for port in rule["ports"]) == [("TCP", 53), ("UDP", 53)]


def test_serving_pods_have_the_flows_of_the_specification_and_no_other() -> None:
    assert {name: [port["port"] for port in rule["ports"]] for name, rule in flows(traces=True).items()} == {
        "inference-from-load-balancer": [8000, 8001],
        "inference-from-monitoring": [8001],
        "inference-from-namespace": [9000],
        "namespace-to-inference": [9000],
        "inference-to-aws": [443],
        "inference-to-pod-identity-agent": [80],
        "inference-to-postgresql": [5432],
        "inference-to-mlflow": [5000],
        "inference-to-otel-collector": [4318],
    }


def test_what_is_not_installed_is_neither_let_in_nor_reached() -> None:
    assert set(flows(traces=True)) - set(flows(metrics=False, grpc=False)) == {
        "inference-from-monitoring",
        "inference-from-namespace",
        "namespace-to-inference",
        "inference-to-otel-collector",
    }


def test_requests_come_from_the_public_subnets_alone() -> None:
    assert flows()["inference-from-load-balancer"]["from"] == [
        {"ipBlock": {"cidr": cidr}} for cidr in NEIGHBOURS.load_balancer_cidrs
    ]


def test_of_all_that_watches_the_cluster_prometheus_alone_reads_the_pods_metrics() -> None:
    assert flows()["inference-from-monitoring"]["from"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
        }
    ]


def test_grpc_is_reached_by_pods_of_the_same_namespace_and_by_nothing_else() -> None:
    to_grpc = {name: rule for name, rule in flows().items() if 9000 in [port["port"] for port in rule["ports"]]}

    # Without a selector of namespaces, one of pods means the policy's own namespace.
    assert to_grpc["inference-from-namespace"]["from"] == [{"podSelector": {}}]
    assert to_grpc["namespace-to-inference"]["to"] == [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "inference"}}}
    ]
    assert len(to_grpc) == 2


def test_the_database_is_looked_for_in_the_vpc_and_mlflow_in_its_namespace() -> None:
    assert flows()["inference-to-postgresql"]["to"] == [{"ipBlock": {"cidr": "10.0.0.0/16"}}]
    assert flows()["inference-to-mlflow"]["to"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "mlflow"}},
        }
    ]


def test_only_https_may_leave_for_any_address() -> None:
    anywhere = [rule for rule in flows().values() if {"ipBlock": {"cidr": "0.0.0.0/0"}} in rule.get("to", [])]

    assert [port["port"] for rule in anywhere for port in rule["ports"]] == [443]


def test_every_flow_lies_in_the_serving_namespace_and_names_its_peers_and_ports() -> None:
    for policy in isolation.serving_policies(NEIGHBOURS, grpc=True):
        assert policy["metadata"]["namespace"] == "ml-system"
    for rule in flows().values():
        assert rule.get("from") or rule.get("to")
        assert all(port["protocol"] == "TCP" for port in rule["ports"])
