"""Turns a plain manifest, in the field names `kubectl` takes, into the Pulumi resource of its kind.

Manifests are built by pure functions elsewhere, so they can be tested and validated without Pulumi.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import pulumi
from pulumi_kubernetes import (
    apiextensions,
    apiregistration,
    apps,
    autoscaling,
    core,
    networking,
    policy,
    rbac,
    scheduling,
    storage,
)

from infra.errors import InvalidInput

Manifest = Mapping[str, Any]
"""One Kubernetes object: camelCase fields, values plain or `pulumi.Input`."""

_TYPED: dict[tuple[str, str], Callable[..., pulumi.CustomResource]] = {
    ("v1", "ConfigMap"): core.v1.ConfigMap,
    ("v1", "LimitRange"): core.v1.LimitRange,
    ("v1", "Namespace"): core.v1.Namespace,
    ("v1", "PersistentVolumeClaim"): core.v1.PersistentVolumeClaim,
    ("v1", "ResourceQuota"): core.v1.ResourceQuota,
    ("v1", "Secret"): core.v1.Secret,
    ("v1", "Service"): core.v1.Service,
    ("v1", "ServiceAccount"): core.v1.ServiceAccount,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): apiextensions.v1.CustomResourceDefinition,
    ("apiregistration.k8s.io/v1", "APIService"): apiregistration.v1.APIService,
    ("apps/v1", "DaemonSet"): apps.v1.DaemonSet,
    ("apps/v1", "Deployment"): apps.v1.Deployment,
    ("apps/v1", "StatefulSet"): apps.v1.StatefulSet,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): autoscaling.v2.HorizontalPodAutoscaler,
    ("networking.k8s.io/v1", "NetworkPolicy"): networking.v1.NetworkPolicy,
    ("policy/v1", "PodDisruptionBudget"): policy.v1.PodDisruptionBudget,
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): rbac.v1.ClusterRole,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): rbac.v1.ClusterRoleBinding,
    ("rbac.authorization.k8s.io/v1", "Role"): rbac.v1.Role,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): rbac.v1.RoleBinding,
    ("scheduling.k8s.io/v1", "PriorityClass"): scheduling.v1.PriorityClass,
    ("storage.k8s.io/v1", "StorageClass"): storage.v1.StorageClass,
}

# Groups of Kubernetes itself. A kind of theirs that is not in the table is a typing slip or an old version, and would
# otherwise pass for a custom resource and fail only at the API server.
_BUILT_IN_GROUPS = frozenset(api_version.rpartition("/")[0] for api_version, _ in _TYPED) | {"batch", "extensions"}

_CUSTOM_RESOURCE_FIELDS = frozenset({"metadata", "spec"})


class InvalidManifest(InvalidInput):
    """A manifest that cannot be applied; the message names the object and says what is missing or not allowed."""


def apply_manifest(logical_name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Register the object that `manifest` describes.

    Objects of Kubernetes' own groups become their typed resources; those of any other group become a CustomResource,
    which carries `metadata` and `spec` alone. `metadata.name` is required: names are explicit here, never generated.
    Raises InvalidManifest.
    """
    api_version, kind, name = _identity(logical_name, manifest)
    fields = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    typed = _TYPED.get((api_version, kind))
    if typed is not None:
        return typed(logical_name, opts=opts, **{_python_name(key): value for key, value in fields.items()})
    group = api_version.rpartition("/")[0]
    if group in _BUILT_IN_GROUPS:
        allowed = ", ".join(sorted(f"{known} {of}" for of, known in _TYPED if of.rpartition("/")[0] == group))
        raise InvalidManifest(
            f"the manifest of {name!r} has kind {kind} of {api_version}, which is not among the known kinds "
            f"({allowed or 'none of this group'}): correct it, or add the kind to components/kubernetes.py"
        )
    refused = sorted(fields.keys() - _CUSTOM_RESOURCE_FIELDS)
    if refused:
        raise InvalidManifest(
            f"the manifest of {kind} {name!r} has the fields {', '.join(refused)}: "
            "a custom resource takes metadata and spec alone"
        )
    return apiextensions.CustomResource(
        logical_name,
        api_version=api_version,
        kind=kind,
        metadata=fields["metadata"],
        spec=fields.get("spec"),
        opts=opts,
    )


def _identity(logical_name: str, manifest: Manifest) -> tuple[str, str, str]:
    raw = manifest.get("metadata")
    metadata = cast(Mapping[str, Any], raw) if isinstance(raw, Mapping) else dict[str, Any]()
    found: dict[str, Any] = {
        "apiVersion": manifest.get("apiVersion"),
        "kind": manifest.get("kind"),
        "metadata.name": metadata.get("name"),
    }
    missing = [field for field, value in found.items() if not isinstance(value, str) or not value]
    if missing:
        raise InvalidManifest(
            f"the manifest given for {logical_name!r} has no {' and no '.join(missing)}: "
            "every manifest names its apiVersion, its kind and metadata.name as plain text"
        )
    return str(found["apiVersion"]), str(found["kind"]), str(found["metadata.name"])


def _python_name(field: str) -> str:
    """`roleRef` is the argument `role_ref` of a typed resource."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", field).lower()
