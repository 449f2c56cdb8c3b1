"""Prometheus: how many there are, what they keep for how long, whom they ask, and what they may read of the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.cluster.addons import system_pool_placement
from components.observability import access, images, names, pods, services, token_scrapes
from components.observability.errors import InvalidObservability
from components.observability.monitors import (
    API_VERSION,
    SCRAPE_INTERVAL_SECONDS,
    SCRAPE_TIMEOUT_SECONDS,
    TARGETS,
    WEB_PORT,
)
from components.observability.operator import reloaders
from components.observability.storage import volume_claim
from components.workload.labels import Manifest

REPLICA_LABEL = "replica"
"""Tells apart the series of the replicas where they meet; it is taken off alerts, which would else come twice."""

# The rest is for blocks while they are joined, and for what the write-ahead log grows by before blocks are deleted
# (Prometheus' documentation, "Storage", advises 80 to 85% of the volume at most).
_STORED_PERCENT = 80
_EXEMPLARS = 100_000
_QUERY_TIMEOUT_SECONDS = 60
# Long enough for what is in memory to be written down; the operator's default is ten minutes.
_STOP_SECONDS = 300

_SMALL = pods.Size(
    cpu_request_millicores=200, cpu_limit_millicores=2000, memory_request_mib=1024, memory_limit_mib=2048, disk_mib=256
)
_LARGE = pods.Size(
    cpu_request_millicores=500, cpu_limit_millicores=4000, memory_request_mib=2048, memory_limit_mib=6144, disk_mib=256
)

_READ = ["get", "list", "watch"]


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """What differs from one environment to the next."""

    replicas: int
    retention_days: int
    storage_gib: int
    """Of each replica's volume."""
    zones: int
    """Availability zones that the nodes may lie in."""
    region: str
    environment: str
    part_of: str
    """The project, by which ServiceMonitors and rules are found."""

    def __post_init__(self) -> None:
        for what in ("replicas", "retention_days", "storage_gib", "zones"):
            given = getattr(self, what)
            if given < 1:
                raise InvalidObservability(f"Prometheus' {what} is {given}: give a whole number, 1 or more")


def manifests(args: Prometheus) -> list[Manifest]:
    """Account, roles, bindings, the Secret with scrapes, Service, disruption budget and the resource itself."""
    metadata = names.metadata(names.PROMETHEUS)
    budget = [pods.disruption_budget(metadata, selector())] if args.replicas > 1 else []
    return [access.service_account(metadata), *_rights(), token_scrapes.secret(), service(), *budget, resource(args)]


def selector() -> dict[str, str]:
    """The pods that the operator makes of the resource."""
    return {**names.name_labels(names.PROMETHEUS), names.OPERATED_BY_LABEL: names.PROMETHEUS}


def service() -> Manifest:
    """A caller keeps to one replica: they scrape at different moments, so counters would seem to jump between them."""
    return services.service(
        names.metadata(names.PROMETHEUS), selector(), {WEB_PORT: names.PROMETHEUS_PORT}, sessionAffinity="ClientIP"
    )


def resource(args: Prometheus) -> Manifest:
    """What the operator reads."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Prometheus",
        "metadata": names.metadata(names.PROMETHEUS),
        "spec": {**_pods(args), **_data(args), **_scraping(args), **_alerting()},
    }


def _pods(args: Prometheus) -> Manifest:
    return {
        "replicas": args.replicas,
        "image": images.PROMETHEUS.reference,
        "imagePullPolicy": "IfNotPresent",
        # By this the operator knows which settings there are; the image is a variant of that version.
        "version": images.PROMETHEUS.version.partition("-")[0],
        "serviceAccountName": names.PROMETHEUS,
        # It asks the API for its targets.
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "securityContext": pods.pod_security(volumes_of_group=True),
        "resources": pods.resources(_LARGE if args.replicas > 1 else _SMALL),
        **reloaders(),
        "terminationGracePeriodSeconds": _STOP_SECONDS,
        **system_pool_placement(),
        "topologySpreadConstraints": pods.spread(selector(), args.zones),
        "logFormat": "json",
    }


def _data(args: Prometheus) -> Manifest:
    return {
        "retention": f"{args.retention_days}d",
        # The unit is a power of two (Prometheus' documentation, "Storage"), though it is written like one of ten.
        "retentionSize": f"{args.storage_gib * 1024 * _STORED_PERCENT // 100}MB",
        "storage": {"volumeClaimTemplate": volume_claim(args.storage_gib)},
        "enableFeatures": ["exemplar-storage"],
        "exemplars": {"maxSize": _EXEMPLARS},
        "query": {"timeout": f"{_QUERY_TIMEOUT_SECONDS}s"},
    }


def _scraping(args: Prometheus) -> Manifest:
    ours = {"matchLabels": names.read_by_prometheus(args.part_of)}
    return {
        "scrapeInterval": f"{SCRAPE_INTERVAL_SECONDS}s",
        "scrapeTimeout": f"{SCRAPE_TIMEOUT_SECONDS}s",
        "evaluationInterval": f"{SCRAPE_INTERVAL_SECONDS}s",
        # Those of its own namespace: whoever may write there says what is scraped and what alerts.
        "serviceMonitorSelector": ours,
        "ruleSelector": ours,
        "arbitraryFSAccessThroughSMs": {"deny": True},
        "additionalScrapeConfigs": {"name": token_scrapes.SECRET, "key": token_scrapes.SECRET_KEY},
        # Endpoints are deprecated since Kubernetes 1.33.
        "serviceDiscoveryRole": "EndpointSlice",
        "externalLabels": {"region": args.region, "environment": args.environment},
        "replicaExternalLabelName": REPLICA_LABEL,
        "prometheusExternalLabelName": "",
    }


def _alerting() -> Manifest:
    """Every Alertmanager is told, by its own address: they agree among themselves who notifies."""
    found = {"namespace": names.NAMESPACE, "name": "alertmanager-operated", "port": WEB_PORT, "apiVersion": "v2"}
    return {"alerting": {"alertmanagers": [found]}}


def _rights() -> list[Manifest]:
    """To find targets in the namespaces that have some, to find nodes and ask their kubelets for metrics, and to ask an
    aggregated API for its own (the metrics adapter asks the API server whether its caller may read `/metrics`)."""
    targets: list[dict[str, Any]] = [
        {"apiGroups": [""], "resources": ["services", "pods"], "verbs": _READ},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
    ]
    nodes: list[dict[str, Any]] = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": _READ},
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    found: list[Manifest] = []
    for namespace in sorted({target.namespace for target in TARGETS}):
        metadata = {**names.metadata(names.PROMETHEUS), "namespace": namespace}
        found += _given(metadata, targets)
    return [*found, *_given(names.cluster_metadata(names.PROMETHEUS), nodes)]


def _given(metadata: Manifest, rules: list[dict[str, Any]]) -> list[Manifest]:
    return [access.role(metadata, rules), access.binding(metadata, names.PROMETHEUS, names.NAMESPACE)]
