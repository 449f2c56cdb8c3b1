"""Names and labels of the metrics adapter's objects."""

from __future__ import annotations

from components.observability.names import ADAPTER, name_labels
from components.workload import labels
from components.workload.labels import Manifest

GROUP = "custom.metrics.k8s.io"
PORT = 6443
CONFIGURATION = f"{ADAPTER}-configuration"


def selector() -> dict[str, str]:
    return name_labels(ADAPTER)


def metadata(name: str = ADAPTER, *, namespace: str | None = labels.MONITORING_NAMESPACE) -> Manifest:
    """Metadata of an object; `namespace` is None for one of the whole cluster."""
    return {"name": name, **({"namespace": namespace} if namespace else {}), "labels": selector()}
