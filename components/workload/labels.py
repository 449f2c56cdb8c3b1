"""Names and labels of the cluster's objects, so that selectors, bindings and policies agree by construction."""

from __future__ import annotations

from typing import Any, Literal

from contract import service

Manifest = dict[str, Any]
"""A Kubernetes object as `kubectl` takes it; a value may be a Pulumi input."""

Track = Literal["stable", "canary"]

SERVING_NAMESPACE = "ml-system"
MONITORING_NAMESPACE = "monitoring"
LOGGING_NAMESPACE = "logging"
DATA_NAMESPACE = "data"

APPLICATION = service.SERVICE_NAME
SERVICE_ACCOUNT = APPLICATION
"""What EKS Pod Identity ties the serving role to."""

NAME_LABEL = "app.kubernetes.io/name"
PART_OF_LABEL = "app.kubernetes.io/part-of"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Kubernetes sets it on every namespace, so a namespace cannot claim another's name."""

_TRACK_LABEL = "track"


def application_selector() -> dict[str, str]:
    """The serving pods of both tracks."""
    return {NAME_LABEL: APPLICATION}


def track_selector(track: Track) -> dict[str, str]:
    """The serving pods of one track alone."""
    return {**application_selector(), _TRACK_LABEL: track}


def track_name(track: Track) -> str:
    """`inference-stable`: the name of a track's Deployment, Service and binding."""
    return f"{APPLICATION}-{track}"


def metadata(name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Manifest:
    """Metadata of an object in the serving namespace."""
    return {
        "name": name,
        "namespace": SERVING_NAMESPACE,
        "labels": {**application_selector(), **(labels or {})},
        **({"annotations": annotations} if annotations else {}),
    }
