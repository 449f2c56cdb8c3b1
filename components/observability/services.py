"""How pods are reached inside the cluster."""

from __future__ import annotations

from typing import Any

from components.workload.binding import SKIP_AWAIT
from components.workload.labels import Manifest


def service(metadata: Manifest, selector: dict[str, str], ports: dict[str, int], **more: Any) -> Manifest:
    """A ClusterIP Service whose ports lead to the pods' ports of the same names.

    The provider would wait until pods are ready, but those come after it, by a Deployment or by the operator.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata, "annotations": SKIP_AWAIT},
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [
                {"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in ports.items()
            ],
            **more,
        },
    }
