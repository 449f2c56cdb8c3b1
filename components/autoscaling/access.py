"""What the metrics adapter may do in the cluster: rights as manifests.

From kubernetes-sigs/prometheus-adapter v0.12.0 (`deploy/manifests`, `pkg/custom-provider/provider.go`), narrowed: it
lists the pods of the one namespace that its rule is for; the original reads pods, nodes and services everywhere.
"""

from __future__ import annotations

from components.autoscaling.names import metadata
from components.observability.names import ADAPTER
from components.workload import labels
from components.workload.labels import Manifest

_RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC = f"{_RBAC_GROUP}/v1"
_SYSTEM_NAMESPACE = "kube-system"


def service_account() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(),
        # The pod asks for its token itself: whatever else ran under this account would get none.
        "automountServiceAccountToken": False,
    }


def rights() -> dict[str, Manifest]:
    """Roles and bindings by a short name for each.

    None for the autoscaler, which asks for the metric: Kubernetes' own role of it holds the whole group.
    """
    adapter = {"kind": "ServiceAccount", "name": ADAPTER, "namespace": labels.MONITORING_NAMESPACE}
    return {
        "pods-role": _role(
            "Role",
            metadata(namespace=labels.SERVING_NAMESPACE),
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        ),
        "pods-binding": _binding("RoleBinding", metadata(namespace=labels.SERVING_NAMESPACE), "Role", ADAPTER, adapter),
        # Whether a caller is who it says, and may ask, is for the API server to tell.
        "delegator-binding": _binding(
            "ClusterRoleBinding",
            metadata(f"{ADAPTER}-delegator", namespace=None),
            "ClusterRole",
            "system:auth-delegator",
            adapter,
        ),
        # Holds the certificate authority by which the API server's own calls are known.
        "authentication-binding": _binding(
            "RoleBinding",
            metadata(f"{ADAPTER}-authentication", namespace=_SYSTEM_NAMESPACE),
            "Role",
            "extension-apiserver-authentication-reader",
            adapter,
        ),
    }


def _role(kind: str, named: Manifest, rule: Manifest) -> Manifest:
    return {"apiVersion": _RBAC, "kind": kind, "metadata": named, "rules": [rule]}


def _binding(kind: str, named: Manifest, role_kind: str, role: str, subject: Manifest) -> Manifest:
    return {
        "apiVersion": _RBAC,
        "kind": kind,
        "metadata": named,
        "roleRef": {"apiGroup": _RBAC_GROUP, "kind": role_kind, "name": role},
        "subjects": [subject],
    }
