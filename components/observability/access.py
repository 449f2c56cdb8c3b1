"""Accounts of pods and what they may ask of the Kubernetes API, as manifests; the rules are the callers'."""

from __future__ import annotations

from typing import Any

from components.workload.labels import Manifest


def service_account(metadata: Manifest) -> Manifest:
    """An account whose token no pod gets unasked."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": False,
    }


def role(metadata: Manifest, rules: list[dict[str, Any]]) -> Manifest:
    """A ClusterRole, or a Role where the metadata names a namespace."""
    kind = "Role" if "namespace" in metadata else "ClusterRole"
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules}


def binding(metadata: Manifest, account: str, account_namespace: str) -> Manifest:
    """Gives an account the role of the same name and namespace."""
    namespaced = "namespace" in metadata
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding" if namespaced else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role" if namespaced else "ClusterRole",
            "name": metadata["name"],
        },
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": account_namespace}],
    }
