"""What Prometheus scrapes with the token of its own account: the kubelets, their containers' figures (cAdvisor), and
the metrics adapter.

These are plain scrape configurations, in a Secret that the resource `Prometheus` names. A ServiceMonitor could send the
token only if ServiceMonitors in general might read files of Prometheus' container, which is denied. Nodes are found as
such and at once, where the operator's own list of kubelets is an object in `kube-system`, renewed every three minutes;
the resource ScrapeConfig finds nodes too, but takes a token from a Secret alone, one that never expires.
"""

from __future__ import annotations

from typing import Any

import yaml

from components.observability import names
from components.observability.monitors import METRICS_PATH, SCRAPE_INTERVAL_SECONDS, SCRAPE_TIMEOUT_SECONDS
from components.workload.labels import Manifest

SECRET = "prometheus-scrapes"
SECRET_KEY = "scrapes.yaml"

KUBELET_JOB = "kubelet"
CADVISOR_JOB = "cadvisor"

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_ADAPTER_PORT = 6443

# Names as cAdvisor gives them (google/cadvisor, metrics/prometheus.go) and the kubelet (kubernetes/kubernetes,
# pkg/kubelet/metrics/collectors/volume_stats.go). Everything else is dropped: a node shows thousands of series.
KUBELET_SERIES = (
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "kubelet_volume_stats_used_bytes",
    "kubelet_volume_stats_inodes",
    "kubelet_volume_stats_inodes_free",
)
CONTAINER_SERIES = (
    "container_cpu_usage_seconds_total",
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_memory_working_set_bytes",
    "container_memory_rss",
    "container_oom_events_total",
    "container_spec_memory_limit_bytes",
    "container_start_time_seconds",
)
POD_SERIES = (
    "container_network_receive_bytes_total",
    "container_network_transmit_bytes_total",
    "container_network_receive_packets_dropped_total",
    "container_network_transmit_packets_dropped_total",
)
NODE_SERIES = (
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_fs_limit_bytes",
    "container_fs_usage_bytes",
    "container_fs_inodes_free",
    "container_fs_inodes_total",
    "machine_cpu_cores",
    "machine_memory_bytes",
)


def scrapes() -> list[dict[str, Any]]:
    """In the form of Prometheus' `scrape_configs`."""
    return [_kubelets(), _containers(), _adapter()]


def secret() -> Manifest:
    """Nothing in it is secret; the resource `Prometheus` takes these from a Secret alone."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": names.metadata(SECRET, of=names.PROMETHEUS),
        "type": "Opaque",
        "stringData": {SECRET_KEY: yaml.safe_dump(scrapes(), sort_keys=False)},
    }


def _kubelets() -> dict[str, Any]:
    return {
        **_node_scrape(KUBELET_JOB, METRICS_PATH),
        "metric_relabel_configs": [_keep(KUBELET_SERIES)],
    }


def _containers() -> dict[str, Any]:
    """A node's containers, without the cgroups of a pod (they would count twice), of services, and pauses."""
    of_node = f"({_any(NODE_SERIES)});/;;"
    machine = "machine_.+;;;"
    of_container = f"({_any(CONTAINER_SERIES)});.*;.+;.+"
    of_pod = f"({_any(POD_SERIES)});.*;.*;.+"
    return {
        **_node_scrape(CADVISOR_JOB, "/metrics/cadvisor"),
        # What stands on the page is said of the container it names.
        "honor_labels": True,
        "metric_relabel_configs": [
            _keep((*CONTAINER_SERIES, *POD_SERIES, *NODE_SERIES)),
            {"source_labels": ["container"], "regex": "POD", "action": "drop"},
            {
                "source_labels": ["__name__", "id", "container", "pod"],
                "regex": f"{of_node}|{machine}|{of_container}|{of_pod}",
                "action": "keep",
            },
            # `id`, the path of a cgroup, keeps a container apart from the one it follows: these two say no more.
            {"regex": "name|image", "action": "labeldrop"},
        ],
    }


def _adapter() -> dict[str, Any]:
    """Its certificate is its own, made anew at each start, so nothing could vouch for it."""
    return {
        **_scrape(names.ADAPTER, METRICS_PATH),
        "tls_config": {"insecure_skip_verify": True},
        "kubernetes_sd_configs": [{"role": "endpointslice", "namespaces": {"names": [names.NAMESPACE]}}],
        "relabel_configs": [
            {
                "source_labels": ["__meta_kubernetes_service_name", "__meta_kubernetes_endpointslice_port"],
                "regex": f"{names.ADAPTER};{_ADAPTER_PORT}",
                "action": "keep",
            },
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ],
    }


def _node_scrape(job: str, path: str) -> dict[str, Any]:
    """A kubelet's certificate is signed by the cluster's authority for its name and address."""
    return {
        **_scrape(job, path),
        "tls_config": {"ca_file": f"{_ACCOUNT}/ca.crt"},
        "kubernetes_sd_configs": [{"role": "node"}],
        "relabel_configs": [{"source_labels": ["__meta_kubernetes_node_name"], "target_label": "node"}],
    }


def _scrape(job: str, path: str) -> dict[str, Any]:
    return {
        "job_name": job,
        "scheme": "https",
        "metrics_path": path,
        "scrape_interval": f"{SCRAPE_INTERVAL_SECONDS}s",
        "scrape_timeout": f"{SCRAPE_TIMEOUT_SECONDS}s",
        "authorization": {"type": "Bearer", "credentials_file": f"{_ACCOUNT}/token"},
        "follow_redirects": False,
    }


def _keep(series: tuple[str, ...]) -> dict[str, Any]:
    return {"source_labels": ["__name__"], "regex": _any(series), "action": "keep"}


def _any(series: tuple[str, ...]) -> str:
    return "|".join(dict.fromkeys(series))
