"""The flows that all policies of a cluster allow together: those that are asked for, the same at both ends."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

from components.isolation import platform, table
from components.isolation.flow import Pods, Port
from components.observability.monitors import TARGETS
from components.workload import isolation
from components.workload.labels import Manifest
from tests.components.isolation.world import (
    DNS_FLOWS,
    EVERYTHING,
    SERVING_FLOWS,
    SPACES,
    WATCHING_FLOWS,
    policies,
)

EXPECTED = sorted({*SERVING_FLOWS, *WATCHING_FLOWS, *DNS_FLOWS})


def of(given: list[Manifest], namespace: str, name: str) -> Manifest:
    (found,) = [item for item in given if item["metadata"] == {"name": name, "namespace": namespace}]
    return found


def sound(given: list[Manifest]) -> bool:
    """Whether these policies allow what is asked for, at both ends, and no namespace stands open."""
    return table.rows(given) == EXPECTED and not table.one_sided(given) and not table.open_namespaces(given, SPACES)


def test_a_cluster_allows_the_flows_that_are_asked_for_and_no_other() -> None:
    assert table.rows(policies()) == EXPECTED


@pytest.mark.parametrize("grpc", [True, False])
@pytest.mark.parametrize(
    "watched",
    [
        None,
        EVERYTHING,
        replace(EVERYTHING, replicated=False, traces=False, metrics_adapter=False),
    ],
)
def test_both_ends_of_a_flow_between_pods_allow_it(watched: platform.Watched | None, grpc: bool) -> None:
    assert table.one_sided(policies(watched, grpc=grpc)) == []


def test_every_namespace_denies_what_is_not_listed() -> None:
    assert table.open_namespaces(policies(), SPACES) == []


def test_an_application_has_one_policy_and_names_are_not_used_twice() -> None:
    names = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in policies()]
    assert len(names) == len(set(names))


def _extra(given: list[Manifest]) -> None:
    of(given, "monitoring", "grafana")["spec"]["egress"].append(
        {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]}
    )


def _widened(given: list[Manifest]) -> None:
    rules = of(given, "ml-system", "inference-to-postgresql")["spec"]["egress"]
    rules[0]["to"][0]["ipBlock"]["cidr"] = "10.0.0.0/8"


def _dropped(given: list[Manifest]) -> None:
    of(given, "ml-system", "inference-from-load-balancer")["spec"]["ingress"][0]["ports"].pop()


def _every_port(given: list[Manifest]) -> None:
    del of(given, "monitoring", "grafana")["spec"]["ingress"][0]["ports"]


def _every_source(given: list[Manifest]) -> None:
    del of(given, "monitoring", "prometheus")["spec"]["ingress"][0]["from"]


def _no_denial(given: list[Manifest]) -> None:
    given.remove(of(given, "logging", "default-deny"))


def _denies_one_way(given: list[Manifest]) -> None:
    of(given, "data", "default-deny")["spec"]["policyTypes"] = ["Egress"]


def _one_end(given: list[Manifest]) -> None:
    given.remove(of(given, "data", "mlflow"))


@pytest.mark.parametrize(
    "change", [_extra, _widened, _dropped, _every_port, _every_source, _no_denial, _denies_one_way, _one_end]
)
def test_a_change_of_what_is_allowed_is_seen(change: Callable[[list[Manifest]], None]) -> None:
    changed = copy.deepcopy(policies())
    assert sound(changed)
    change(changed)
    assert not sound(changed)


def test_everything_that_prometheus_scrapes_may_be_scraped_and_nothing_else() -> None:
    flows = platform.watching_flows(replace(EVERYTHING, canary_controller=False))
    scraped = {
        (flow.target.namespace, flow.target.application)
        for flow in flows
        if flow.source == isolation.PROMETHEUS and isinstance(flow.target, Pods)
    }
    # The adapter is scraped with a token, by a scrape configuration of its own.
    assert scraped - {("monitoring", "prometheus-adapter")} == {(it.namespace, it.application) for it in TARGETS}


def test_a_service_without_an_interface_in_the_vpc_is_reached_at_any_address() -> None:
    flows = platform.watching_flows(replace(EVERYTHING, interface_services=()))
    anywhere = {
        flow.source.application
        for flow in flows
        if isinstance(flow.source, Pods) and getattr(flow.target, "cidrs", None) == [isolation.ANYWHERE]
    }
    assert anywhere == {"alertmanager", "external-secrets", "fluent-bit", "otel-collector"}


def test_security_groups_have_to_pass_scrapes_one_way_and_traces_and_queries_the_other() -> None:
    into, out = platform.crossing_ports(platform.watching_flows(replace(EVERYTHING, canary_controller=True)))
    assert into == [2020, 8001]
    assert out == [4318]


def test_the_canary_controller_asks_prometheus_and_aws_and_is_scraped() -> None:
    flows = platform.watching_flows(replace(EVERYTHING, canary_controller=True))
    controller = Pods(namespace="monitoring", application="canary-controller")
    assert [(flow.source, list(flow.ports)) for flow in flows if flow.target == controller] == [
        (isolation.PROMETHEUS, [Port(8080)])
    ]
    assert [port.number for flow in flows if flow.source == controller for port in flow.ports] == [9090, 443, 80]
