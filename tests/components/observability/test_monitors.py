"""Every application that shows metrics is scraped, by the Service that it has."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from components.observability import alertmanager, monitors, operator, prometheus, state_metrics
from components.workload.binding import track_service
from components.workload.labels import Manifest, Track
from contract import service as contract
from ops.canary import measurements
from tests.components.observability.args import FULL, FULL_ALERTMANAGER
from tests.components.observability.schemas import problems

MONITORS = {monitor["metadata"]["name"]: monitor for monitor in monitors.service_monitors("serveml")}


def endpoint(name: str) -> dict[str, Any]:
    [found] = MONITORS[name]["spec"]["endpoints"]
    return found


def services() -> list[Manifest]:
    made = [
        *operator.manifests(),
        *prometheus.manifests(FULL),
        *alertmanager.manifests(FULL_ALERTMANAGER, ""),
        *state_metrics.manifests(),
    ]
    return [manifest for manifest in made if manifest["kind"] == "Service"]


def selects(monitor: Manifest, service: Manifest) -> bool:
    wanted = monitor["spec"]["selector"]["matchLabels"]
    inside = service["metadata"]["namespace"] in monitor["spec"]["namespaceSelector"]["matchNames"]
    return inside and wanted.items() <= service["metadata"]["labels"].items()


def test_all_of_the_platform_is_scraped() -> None:
    assert sorted(MONITORS) == [
        "alertmanager",
        "external-secrets",
        "fluent-bit",
        "grafana",
        "inference",
        "kube-state-metrics",
        "otel-collector",
        "prometheus",
        "prometheus-operator",
    ]


@pytest.mark.parametrize("name", sorted(MONITORS))
def test_the_operator_would_take_a_monitor_and_prometheus_would_find_it(name: str) -> None:
    assert problems(MONITORS[name]) == []
    wanted = prometheus.resource(FULL)["spec"]["serviceMonitorSelector"]["matchLabels"]
    assert wanted.items() <= MONITORS[name]["metadata"]["labels"].items()
    assert MONITORS[name]["metadata"]["namespace"] == "monitoring"


@pytest.mark.parametrize("name", sorted(MONITORS))
def test_an_application_is_scraped_each_15_seconds_and_its_job_is_its_name(name: str) -> None:
    assert endpoint(name)["interval"] == "15s"
    assert MONITORS[name]["spec"]["jobLabel"] == "app.kubernetes.io/name"
    assert MONITORS[name]["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": name}


@pytest.mark.parametrize("service", services(), ids=lambda service: service["metadata"]["name"])
def test_a_service_is_scraped_once_by_a_port_that_it_has(service: Manifest) -> None:
    [monitor] = [monitor for monitor in MONITORS.values() if selects(monitor, service)]
    assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize("track", get_args(Track))
def test_pods_of_both_tracks_are_scraped_where_no_key_is_asked_for(track: Track) -> None:
    service = track_service(track, grpc=False)
    assert selects(MONITORS["inference"], service)
    [port] = [port for port in service["spec"]["ports"] if port["name"] == endpoint("inference")["port"]]
    assert port["port"] == contract.PROBE_PORT
    assert endpoint("inference")["path"] == "/metrics"


def test_what_a_canary_tells_targets_apart_by_is_left_as_the_operator_gives_it() -> None:
    """It takes for a target's labels all that the page does not give itself: `pod` and `instance` have to be there."""
    assert "relabelings" not in endpoint("inference")
    assert not endpoint("inference")["honorLabels"]
    kept = {("__name__", "x"), ("pod", "a"), ("instance", "10.0.0.1:8001"), ("namespace", "ml-system"), ("job", "y")}
    assert measurements._target(frozenset(kept)) == frozenset(kept - {("__name__", "x")})  # pyright: ignore[reportPrivateUsage]


def test_a_page_that_tells_of_other_objects_keeps_their_names() -> None:
    assert endpoint("kube-state-metrics")["honorLabels"]
    [dropped] = endpoint("kube-state-metrics")["relabelings"]
    assert dropped["action"] == "labeldrop"
    assert "pod" in dropped["regex"].split("|")
