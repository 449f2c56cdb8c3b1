"""Where resources are made, and the names and tags they carry there."""

from __future__ import annotations

from dataclasses import replace

from components.base import Place
from infra import tags
from infra.naming import Names
from infra.settings import Settings


def place_of(settings: Settings, region: str) -> Place:
    """Where and under which names and tags a region's resources are made."""
    return Place(
        names=Names(settings.project, settings.environment, region),
        region=region,
        tags=tags.standard(
            environment=settings.environment,
            project=settings.project,
            cost_center=settings.cost_center,
            owner=settings.owner,
            auto_shutdown=settings.auto_shutdown,
            data_class=settings.data_class,
        ),
        protect=settings.protect,
    )


def shared_place(settings: Settings) -> Place:
    """The place of what belongs to no region; its few regional parts lie in the primary one."""
    primary = place_of(settings, settings.pair.primary)
    return replace(primary, names=Names(settings.project, settings.environment))
