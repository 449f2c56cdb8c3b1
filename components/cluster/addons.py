"""Which managed add-ons a cluster in EKS Auto Mode takes, at which version, and where their pods run; and with them all
else that keeps a cluster running: pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from components.cluster.node_pools import POOL_LABEL
from infra.errors import InvalidInput

# Auto Mode runs these itself, outside of add-ons; installing them beside it starts a second copy
# (EKS User Guide, "EKS Auto Mode" and "Amazon EKS add-ons").
BUILT_IN = frozenset({"aws-ebs-csi-driver", "coredns", "eks-pod-identity-agent", "kube-proxy", "vpc-cni"})

METRICS_SERVER = "metrics-server"
SYSTEM_POOL = "system"
"""Auto Mode's built-in pool for what keeps a cluster running; its nodes carry the taint CriticalAddonsOnly."""

_VERSION = re.compile(r"v\d+\.\d+\.\d+-eksbuild\.\d+")


class InvalidAddon(InvalidInput):
    """An add-on that Auto Mode runs itself, or a version that is not pinned; the message says which."""


def system_pool_placement() -> dict[str, Any]:
    """The part of a pod's spec that puts it on the system pool.

    There pods share the nodes' security group, which the API server can reach and which reaches every kubelet: what
    answers the API server itself (an aggregated API, a webhook) or asks kubelets cannot be in our pods' own group.
    """
    return {
        "nodeSelector": {POOL_LABEL: SYSTEM_POOL},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
    }


def checked(versions: Mapping[str, str]) -> list[tuple[str, str]]:
    """The add-ons and their versions in order of name; raises InvalidAddon."""
    for name, version in versions.items():
        if name in BUILT_IN:
            raise InvalidAddon(f"the add-on {name!r} is part of EKS Auto Mode: remove it from the add-on versions")
        if _VERSION.fullmatch(version) is None:
            raise InvalidAddon(
                f"the version {version!r} of the add-on {name!r} is not pinned: give one that "
                f"`aws eks describe-addon-versions --addon-name {name}` lists, such as v0.8.1-eksbuild.6"
            )
    return sorted(versions.items())


def configuration(name: str) -> dict[str, Any] | None:
    """The add-on's configuration values, or None for its defaults."""
    # The metrics server is an aggregated API, and asks every kubelet.
    return system_pool_placement() if name == METRICS_SERVER else None
