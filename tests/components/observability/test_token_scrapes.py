"""What is scraped with Prometheus' own token, and which of a node's many series are kept."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.observability import prometheus, token_scrapes
from components.observability.rules.catalogue import manifests as rules
from components.observability.rules.limits import Limits
from tests.components.observability.args import FULL

JOBS = {scrape["job_name"]: scrape for scrape in token_scrapes.scrapes()}


def kept(job: str, **labels: str) -> dict[str, str] | None:
    """The labels that a series ends with, or None where it is dropped, by Prometheus' rules of relabelling."""
    left = {key: value for key, value in labels.items() if value}
    for rule in JOBS[job]["metric_relabel_configs"]:
        regex = re.compile(rule["regex"])
        if rule["action"] == "labeldrop":
            left = {key: value for key, value in left.items() if not regex.fullmatch(key)}
            continue
        matches = regex.fullmatch(";".join(left.get(label, "") for label in rule["source_labels"])) is not None
        if matches != (rule["action"] == "keep"):
            return None
    return left


def container(name: str, **labels: str) -> dict[str, str] | None:
    given = {"id": "/kubepods/pod1/abc", "namespace": "ml-system", "pod": "inference-1", "container": "inference"}
    return kept("cadvisor", **{"__name__": name, **given, "name": "abc", "image": "registry/inference", **labels})


def test_the_kubelets_their_containers_and_the_adapter_are_asked() -> None:
    assert sorted(JOBS) == ["cadvisor", "kubelet", "prometheus-adapter"]


def test_prometheus_takes_them(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    scrapes: list[dict[str, Any]] = yaml.safe_load(token_scrapes.secret()["stringData"][token_scrapes.SECRET_KEY])
    for scrape in scrapes:
        # Debian builds it without any discovery but that of files.
        assert scrape.pop("kubernetes_sd_configs")
        scrape["static_configs"] = [{"targets": ["localhost:1"]}]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump({"scrape_configs": scrapes}))
    checked = subprocess.run(
        [promtool, "check", "config", "--syntax-only", str(path)], capture_output=True, text=True, timeout=30
    )
    assert checked.returncode == 0, checked.stderr


def test_nodes_are_found_as_nodes_and_their_certificates_checked() -> None:
    for job in ("kubelet", "cadvisor"):
        assert JOBS[job]["kubernetes_sd_configs"] == [{"role": "node"}]
        assert JOBS[job]["tls_config"] == {"ca_file": "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"}


def test_the_token_is_read_anew_and_follows_no_redirect() -> None:
    for scrape in JOBS.values():
        assert scrape["scheme"] == "https"
        assert scrape["authorization"]["credentials_file"].endswith("/token")
        assert not scrape["follow_redirects"]


def test_prometheus_may_do_what_these_need() -> None:
    [role] = [manifest for manifest in prometheus.manifests(FULL) if manifest["kind"] == "ClusterRole"]
    assert {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]} in role["rules"]
    assert {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]} in role["rules"]
    assert {"nonResourceURLs": ["/metrics"], "verbs": ["get"]} in role["rules"]


@pytest.mark.parametrize("name", token_scrapes.CONTAINER_SERIES)
def test_a_container_s_series_is_kept_with_its_pod(name: str) -> None:
    assert container(name) == {
        "__name__": name,
        "id": "/kubepods/pod1/abc",
        "namespace": "ml-system",
        "pod": "inference-1",
        "container": "inference",
    }


@pytest.mark.parametrize("name", token_scrapes.POD_SERIES)
def test_traffic_is_kept_by_pod(name: str) -> None:
    assert container(name, container="") is not None


@pytest.mark.parametrize("name", token_scrapes.NODE_SERIES)
def test_a_node_s_own_series_is_kept(name: str) -> None:
    of_machine = name.startswith("machine_")
    assert kept("cadvisor", __name__=name, id="" if of_machine else "/", device="/dev/nvme1n1p1") is not None


@pytest.mark.parametrize(
    "labels",
    [
        {"container": ""},  # the pod's cgroup, whose containers would count twice
        {"container": "", "pod": "", "namespace": "", "id": "/system.slice/kubelet.service"},
        {"container": "POD"},
    ],
    ids=["pod", "service", "pause"],
)
def test_memory_of_what_is_no_container_is_dropped(labels: dict[str, str]) -> None:
    assert container("container_memory_working_set_bytes", **labels) is None


@pytest.mark.parametrize(
    "name", ["container_tasks_state", "container_blkio_device_usage_total", "container_memory_failures_total"]
)
def test_series_that_nobody_reads_are_dropped(name: str) -> None:
    assert container(name) is None


def test_of_a_kubelet_only_its_volumes_are_kept() -> None:
    volume = {"namespace": "monitoring", "persistentvolumeclaim": "db-0"}
    for name in token_scrapes.KUBELET_SERIES:
        assert kept("kubelet", __name__=name, **volume) == {"__name__": name, **volume}
    assert kept("kubelet", __name__="kubelet_runtime_operations_duration_seconds_bucket", le="1") is None


def test_every_series_of_nodes_and_containers_that_an_alert_asks_for_is_kept() -> None:
    asked = set(re.findall(r"\b(?:container|kubelet|machine)_[a-z_]+", str(rules(Limits(replicas_min=3), part_of="x"))))
    assert asked
    assert asked <= {
        *token_scrapes.CONTAINER_SERIES,
        *token_scrapes.POD_SERIES,
        *token_scrapes.NODE_SERIES,
        *token_scrapes.KUBELET_SERIES,
    }
