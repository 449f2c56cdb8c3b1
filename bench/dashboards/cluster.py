"""Samples of what a cluster's exporters would show of the pods that run here: no cluster is there to show it.

Names and labels are those of kube-state-metrics v2.19 (docs/metrics in its repository), of the kubelet
(pkg/kubelet/metrics/collectors/volume_stats.go) and of the cAdvisor in it (google/cadvisor, metrics/prometheus.go). A
pod's CPU and memory are its process's own; everything else is made up.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from components.workload import labels
from components.workload.autoscaling import REQUESTS_METRIC
from contract import service
from localcloud.moto_server import HOST
from localcloud.pod import Pod

NODES = ("i-0a31c9f27d84be651", "i-0f58b17ce26d90a43")
CONTAINER = "server"
DEPLOYMENT = labels.track_name("stable")
STATE_PATH, CONTAINERS_PATH, KUBELET_PATH = "/kube-state-metrics", "/cadvisor", "/kubelet"

_CPU_LIMIT = 2.0
_MEMORY_LIMIT_BYTES = 2 * 1024**3
_NODE_CPUS, _NODE_BYTES = 4, 16 * 1024**3
_DISK_BYTES = 80 * 1024**3
_DEVICE, _SYSTEM_DEVICE = "/dev/nvme1n1p1", "/dev/nvme0n1p1"
_PERIODS_PER_SECOND = 10
_BYTES_PER_CPU_SECOND = 400_000
_PHASES = ("Failed", "Pending", "Running", "Succeeded", "Unknown")
_CONDITIONS = ("DiskPressure", "MemoryPressure", "PIDPressure", "Ready")


@dataclass
class Cluster:
    """What is told of: the pods, and what the autoscaler makes of them."""

    pods: list[Pod] = field(default_factory=list[Pod])
    wanted: int = 0
    at_least: int = 2
    at_most: int = 20
    requests_per_second: int = 25
    """Of a pod, which the autoscaler aims at."""

    def node_of(self, pod: Pod) -> str:
        return NODES[self.pods.index(pod) % len(NODES)]


@contextmanager
def exporters(cluster: Cluster) -> Generator[str]:
    """Answers as those exporters do, and takes alerts as an Alertmanager does; yields `host:port`.

    A node's page is its path and the node's name.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, _, node = self.path.lstrip("/").partition("/")
            pages = {
                STATE_PATH: lambda: _state(cluster),
                CONTAINERS_PATH: lambda: _containers(cluster, node),
                KUBELET_PATH: _volumes,
            }
            body = "".join(f"{line}\n" for line in pages[f"/{kind}"]()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            """As an Alertmanager takes alerts."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: Prometheus asks often."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _sample(name: str, value: float, **given: str) -> str:
    written = ",".join(f'{label}="{text}"' for label, text in given.items())
    return f"{name}{{{written}}} {value:.10g}"


def _state(cluster: Cluster) -> Iterator[str]:
    space = {"namespace": labels.SERVING_NAMESPACE}
    deployment = {**space, "deployment": DEPLOYMENT}
    scaler = {**space, "horizontalpodautoscaler": DEPLOYMENT}
    running = len(cluster.pods)
    yield _sample("kube_deployment_spec_replicas", cluster.wanted, **deployment)
    yield _sample("kube_deployment_status_replicas_available", running, **deployment)
    yield _sample("kube_horizontalpodautoscaler_status_current_replicas", running, **scaler)
    yield _sample("kube_horizontalpodautoscaler_status_desired_replicas", cluster.wanted, **scaler)
    yield _sample("kube_horizontalpodautoscaler_spec_min_replicas", cluster.at_least, **scaler)
    yield _sample("kube_horizontalpodautoscaler_spec_max_replicas", cluster.at_most, **scaler)
    target = {**scaler, "metric_name": REQUESTS_METRIC, "metric_target_type": "average"}
    yield _sample("kube_horizontalpodautoscaler_spec_target_metric", cluster.requests_per_second, **target)
    for pod in cluster.pods:
        named = {**space, "pod": pod.name, "uid": f"uid-{pod.name}"}
        for phase in _PHASES:
            yield _sample("kube_pod_status_phase", phase == "Running", **named, phase=phase)
        for condition in ("true", "false", "unknown"):
            yield _sample("kube_pod_status_ready", condition == "true", **named, condition=condition)
        contained = {**named, "container": CONTAINER}
        yield _sample("kube_pod_container_status_restarts_total", 0, **contained)
        limit = {**contained, "node": cluster.node_of(pod), "resource": "cpu", "unit": "core"}
        yield _sample("kube_pod_container_resource_limits", _CPU_LIMIT, **limit)
    for node in NODES:
        for condition in _CONDITIONS:
            holds = "true" if condition == "Ready" else "false"
            for status in ("true", "false", "unknown"):
                told = {"node": node, "condition": condition, "status": status}
                yield _sample("kube_node_status_condition", status == holds, **told)
    for resource, used, hard in (("requests.cpu", 0.5 * running, 20), ("limits.cpu", _CPU_LIMIT * running, 40)):
        for kind, value in (("used", used), ("hard", hard)):
            quota = {**space, "resourcequota": labels.SERVING_NAMESPACE, "resource": resource, "type": kind}
            yield _sample("kube_resourcequota", value, **quota)


def _containers(cluster: Cluster, node: str) -> Iterator[str]:
    cpu_seconds = memory_bytes = 0.0
    for pod in cluster.pods:
        if cluster.node_of(pod) != node:
            continue
        used = _process(pod)
        cpu_seconds += used["process_cpu_seconds_total"]
        memory_bytes += used["process_resident_memory_bytes"]
        yield from _container(pod.name, used["process_cpu_seconds_total"], used["process_resident_memory_bytes"])
    yield _sample("container_cpu_usage_seconds_total", cpu_seconds + 0.2 * time.monotonic(), id="/", cpu="total")
    yield _sample("container_memory_working_set_bytes", memory_bytes + 0.2 * _NODE_BYTES, id="/")
    for device, size, share in ((_DEVICE, _DISK_BYTES, 0.31), (_SYSTEM_DEVICE, 1024**3, 1.0)):
        yield _sample("container_fs_limit_bytes", size, id="/", device=device)
        yield _sample("container_fs_usage_bytes", size * share, id="/", device=device)
    yield _sample("machine_cpu_cores", _NODE_CPUS, machine_id=node)
    yield _sample("machine_memory_bytes", _NODE_BYTES, machine_id=node)


def _container(pod: str, cpu_seconds: float, memory_bytes: float) -> Iterator[str]:
    of_pod = {"id": f"/kubepods.slice/{pod}", "namespace": labels.SERVING_NAMESPACE, "pod": pod}
    contained = {**of_pod, "id": f"/kubepods.slice/{pod}/{CONTAINER}", "container": CONTAINER}
    periods = _PERIODS_PER_SECOND * time.monotonic()
    yield _sample("container_cpu_usage_seconds_total", cpu_seconds, **contained, cpu="total")
    yield _sample("container_cpu_cfs_periods_total", periods, **contained)
    yield _sample("container_cpu_cfs_throttled_periods_total", 0, **contained)
    yield _sample("container_memory_working_set_bytes", memory_bytes, **contained)
    yield _sample("container_spec_memory_limit_bytes", _MEMORY_LIMIT_BYTES, **contained)
    traffic = {**of_pod, "interface": "eth0"}
    yield _sample("container_network_receive_bytes_total", _BYTES_PER_CPU_SECOND * cpu_seconds, **traffic)
    yield _sample("container_network_transmit_bytes_total", 0.6 * _BYTES_PER_CPU_SECOND * cpu_seconds, **traffic)


def _volumes() -> Iterator[str]:
    claim = {"namespace": labels.MONITORING_NAMESPACE, "persistentvolumeclaim": "prometheus-prometheus-db-0"}
    yield _sample("kubelet_volume_stats_capacity_bytes", 100 * 1024**3, **claim)
    yield _sample("kubelet_volume_stats_used_bytes", 23 * 1024**3, **claim)
    yield _sample("kubelet_volume_stats_available_bytes", 77 * 1024**3, **claim)


def _process(pod: Pod) -> dict[str, float]:
    """The standard metrics of a pod's processes, from its own page."""
    with urllib.request.urlopen(pod.probe_url + service.METRICS_PATH, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.split(" ") for line in lines if line.startswith("process_"))
    return {name: float(value) for name, value in pairs}
