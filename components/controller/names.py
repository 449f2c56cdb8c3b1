"""The names of the canary controller's objects. It lies with what watches the platform, whose Prometheus it asks, and
apart from the pods whose traffic it moves: whoever may change those should not thereby have its rights.
"""

from __future__ import annotations

from components.isolation.platform import CANARY_CONTROLLER
from components.observability.names import metadata as monitored
from components.workload.labels import NAME_LABEL, Manifest

NAMESPACE = CANARY_CONTROLLER.namespace
NAME = CANARY_CONTROLLER.selector[NAME_LABEL]
"""Of everything, and of the service account that EKS Pod Identity ties the controller's role to."""


def selector() -> dict[str, str]:
    return CANARY_CONTROLLER.selector


def metadata() -> Manifest:
    return monitored(NAME)
