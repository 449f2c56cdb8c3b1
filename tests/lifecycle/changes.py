"""Changes that tests make to a deployment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contract import deployment as documents
from contract.deployment import Deployment
from contract.objects import Version
from ops.rollout.records import Records


def to(version: Version) -> Callable[[Deployment], Deployment]:
    """Serve the version alone."""
    return lambda before: documents.replace(
        before, stable=version, weights=(documents.Weight(version=version, percent=100),)
    )


def change(records: Records, make: Callable[[Deployment], Deployment], **changed: Any) -> Deployment:
    told: dict[str, Any] = {"by": "bob", "action": "set", "reason": "because"}
    return records.change("churn", make, **(told | changed))
