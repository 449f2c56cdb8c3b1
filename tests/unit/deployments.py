"""Deployment records for tests to change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from contract.deployment import Canary, Deployment, Gates, Stage, Weight
from contract.objects import Version

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
V1, V2, V3 = Version(1, 0, 0), Version(2, 0, 0), Version(2, 1, 0, "rc.1")
STAGES = (Stage(percent=0, shadow_percent=20), Stage(percent=10), Stage(percent=100))


def canary(**changed: Any) -> Canary:
    fields: dict[str, Any] = {
        "id": "c1",
        "version": V2,
        "stages": STAGES,
        "gates": Gates(),
        "stage": 0,
        "stage_began_at": None,
        "started_at": NOW,
        "started_by": "ada",
    }
    return Canary(**(fields | changed))


def record(**changed: Any) -> Deployment:
    fields: dict[str, Any] = {
        "tenant": "default",
        "deployment_id": "churn",
        "model": "churn",
        "created_at": NOW,
        "revision": 1,
        "changed_at": NOW,
        "changed_by": "ada",
        "stable": V1,
        "weights": (Weight(version=V1, percent=100),),
    }
    return Deployment(**(fields | changed))


def weights(*shares: tuple[Version, int]) -> tuple[Weight, ...]:
    return tuple(Weight(version=version, percent=percent) for version, percent in shares)
