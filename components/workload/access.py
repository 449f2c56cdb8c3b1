"""Who may do what in the serving namespace: the application's own account, and those who deploy to it."""

from __future__ import annotations

from collections.abc import Sequence

from components.workload import labels
from components.workload.labels import Manifest

MODEL_DEPLOYER_ROLE = "model-deployer"
MODEL_DEPLOYERS_GROUP = "model-deployers"
"""The Kubernetes group that an EKS access entry puts a deployer's IAM role in."""

_RBAC = "rbac.authorization.k8s.io"
_READ = ("get", "list", "watch")
_CHANGE = (*_READ, "update", "patch")


def service_account() -> Manifest:
    """The identity of the serving pods. It has no rights in the cluster, so no pod gets its token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": labels.metadata(labels.SERVICE_ACCOUNT),
        "automountServiceAccountToken": False,
    }


def model_deployer_role() -> Manifest:
    """Roll out and observe what stands; neither create nor delete it, read secrets, nor open a shell in a pod.

    Whoever may change a Deployment may also mount what its namespace holds: keep secrets of others out of it.
    """
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": labels.metadata(MODEL_DEPLOYER_ROLE),
        "rules": [
            _rule("apps", ("deployments", "deployments/scale"), _CHANGE),
            _rule("", ("configmaps",), _CHANGE),
            _rule("apps", ("replicasets",), _READ),
            _rule("", ("pods", "pods/log", "services", "events"), _READ),
            _rule("autoscaling", ("horizontalpodautoscalers",), _READ),
            _rule("policy", ("poddisruptionbudgets",), _READ),
        ],
    }


def model_deployer_binding() -> Manifest:
    """Gives the role to the deployers' group."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": labels.metadata(MODEL_DEPLOYER_ROLE),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": MODEL_DEPLOYER_ROLE},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": MODEL_DEPLOYERS_GROUP}],
    }


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str]) -> Manifest:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
