"""A Prometheus that scrapes pods and a cluster's samples under the labels that a cluster gives them, with our rules."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.dashboards.cluster import CONTAINERS_PATH, KUBELET_PATH, NODES, STATE_PATH
from components.observability import names
from components.observability.monitors import TRACK_LABEL
from components.observability.rules.catalogue import RULE_FILES
from components.observability.rules.limits import Limits
from components.observability.rules.rule import RUNBOOKS, prometheus_rule
from components.observability.token_scrapes import CADVISOR_JOB, KUBELET_JOB
from components.workload import labels
from contract import service
from localcloud.moto_server import HOST, free_port
from localcloud.pod import Pod
from localcloud.process import NotReady, end, last_lines, start, wait_until_answers
from localcloud.prometheus import ABSENT, READY_SECONDS, STOP_SECONDS, PrometheusAbsent, PrometheusFailed

_PODS_FILE = "pods.json"
_LOOK_SECONDS = 1


class Watching:
    """A running Prometheus, and which pods it scrapes."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self._folder = folder

    def scrape(self, pods: Sequence[Pod]) -> None:
        """These pods from now on."""
        _tell(self._folder, pods)


@contextmanager
def watching(pods: Sequence[Pod], exporters: str, limits: Limits, *, every_seconds: int) -> Generator[Watching]:
    """Scrape and evaluate every so often; raises PrometheusAbsent or PrometheusFailed.

    `exporters` is where the cluster's samples are, and where alerts are taken, as `host:port`. Groups of rules that
    take their time in a cluster are evaluated as often as the others.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise PrometheusAbsent(ABSENT)
    with tempfile.TemporaryDirectory(prefix="serveml-dashboards-") as name:
        folder, port = Path(name), free_port()
        _tell(folder, pods)
        written = _configuration(folder, f"{HOST}:{port}", exporters, limits, every_seconds)
        # JSON is YAML.
        (folder / "prometheus.json").write_text(json.dumps(written))
        log = folder / "log"
        process = start(
            [
                binary,
                f"--config.file={folder}/prometheus.json",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={HOST}:{port}",
            ],
            log=log,
        )
        try:
            address = f"http://{HOST}:{port}"
            try:
                wait_until_answers(f"{address}/-/ready", process, seconds=READY_SECONDS)
            except NotReady as failure:
                raise PrometheusFailed(f"Prometheus {failure}: {last_lines(log)}") from None
            yield Watching(address, folder)
        finally:
            end(process, seconds=STOP_SECONDS)


def _tell(folder: Path, pods: Sequence[Pod]) -> None:
    found = [
        {
            "targets": [pod.metrics_target],
            "labels": {"namespace": labels.SERVING_NAMESPACE, "pod": pod.name, TRACK_LABEL: "stable"},
        }
        for pod in pods
    ]
    # In one step: Prometheus may read it at any moment.
    new = folder / f"{_PODS_FILE}.new"
    new.write_text(json.dumps(found))
    new.replace(folder / _PODS_FILE)


def _configuration(folder: Path, own: str, exporters: str, limits: Limits, every_seconds: int) -> dict[str, Any]:
    every = f"{every_seconds}s"
    watched = {"namespace": names.NAMESPACE}
    nodes = [
        {"targets": [exporters], "labels": {"node": node, "__metrics_path__": f"{CONTAINERS_PATH}/{node}"}}
        for node in NODES
    ]
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [exporters]}]}]},
        "rule_files": [str(path) for path in _rules(folder, limits)],
        "scrape_configs": [
            {
                "job_name": labels.APPLICATION,
                "metrics_path": service.METRICS_PATH,
                "file_sd_configs": [{"files": [f"{folder}/{_PODS_FILE}"], "refresh_interval": f"{_LOOK_SECONDS}s"}],
            },
            _job(names.PROMETHEUS, "/metrics", [{"targets": [own], "labels": watched}]),
            _job(names.STATE_METRICS, STATE_PATH, [{"targets": [exporters], "labels": watched}]),
            _job(CADVISOR_JOB, CONTAINERS_PATH, nodes),
            _job(KUBELET_JOB, KUBELET_PATH, [{"targets": [exporters], "labels": {"node": NODES[0]}}]),
        ],
    }


def _job(name: str, path: str, targets: list[dict[str, Any]]) -> dict[str, Any]:
    """What stands on the page is said of what it names."""
    return {"job_name": name, "metrics_path": path, "honor_labels": True, "static_configs": targets}


def _rules(folder: Path, limits: Limits) -> list[Path]:
    found: list[Path] = []
    for name, groups in RULE_FILES.items():
        at_once = [replace(group, interval_seconds=None) for group in groups(limits)]
        rule = prometheus_rule(name, at_once, part_of="serveml", runbooks=RUNBOOKS)
        path = folder / f"{name}.json"
        path.write_text(json.dumps(rule["spec"]))
        found.append(path)
    return found
