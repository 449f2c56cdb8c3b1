"""The kubeconfig of a cluster, as plain values.

Whoever uses it signs in with AWS credentials of their own, so it holds no secret.
"""

from __future__ import annotations

from typing import Any

import pulumi


def kubeconfig(
    *,
    cluster_name: str,
    region: str,
    endpoint: pulumi.Input[str],
    certificate_authority: pulumi.Input[str],
) -> dict[str, Any]:
    """`certificate_authority` is the base64 text that EKS returns. The AWS CLI must be on the path of the user."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster_name,
                "cluster": {"server": endpoint, "certificate-authority-data": certificate_authority},
            }
        ],
        "users": [
            {
                "name": cluster_name,
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "aws",
                        "args": [
                            *("eks", "get-token", "--output", "json"),
                            *("--region", region, "--cluster-name", cluster_name),
                        ],
                        "interactiveMode": "Never",
                    }
                },
            }
        ],
        "contexts": [{"name": cluster_name, "context": {"cluster": cluster_name, "user": cluster_name}}],
        "current-context": cluster_name,
    }
