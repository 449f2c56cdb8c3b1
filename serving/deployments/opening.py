"""A worker's follower of deployments, from the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from serving.deployments import table
from serving.deployments.deployments import Deployments
from serving.deployments.following import Counts, Follower
from serving.deployments.settings import DeploymentSettings
from serving.deployments.table import DeploymentTable

Followers = Callable[[Sequence[str], Deployments], Follower]
"""Makes what follows the deployments of some models, and hands them on."""


def followers(settings: DeploymentSettings | None, *, pod: str, worker: int, counts: Counts) -> Followers | None:
    """None where deployments are not followed."""
    if settings is None:
        return None

    def follower(names: Sequence[str], followed: Deployments) -> Follower:
        return Follower(
            # In the follower's own thread: making a client takes a tenth of a second.
            lambda: DeploymentTable(table.client(), settings.table, settings.tenant),
            names,
            followed,
            pod=pod,
            worker=worker,
            every_seconds=settings.refresh_seconds,
            counts=counts,
        )

    return follower
