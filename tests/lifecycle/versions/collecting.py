"""Versions to collect, and what is planned for and seen of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from contract.objects import CHECKSUMS_FILE, Version, model_prefix
from contract.versions import Kind
from ops.models.collect import Rules, plan
from tests.lifecycle.versions.world import HOME, NAME, World

LATER = datetime.now(UTC) + timedelta(days=60)
EVERY = [Version(1, minor, 0) for minor in range(7)]


def published(world: World, *versions: Version) -> None:
    for version in versions or EVERY:
        world.publish(version, kind=Kind.PRODUCTION)


def planned(world: World, **rules: Any) -> Any:
    wanted: dict[str, Any] = {"keep": 1}
    return plan(world.platform, NAME, Rules(**(wanted | rules)), now=lambda: LATER)


def going(found: Any) -> list[str]:
    return [str(doomed.version) for doomed in found.doomed]


def reasons(found: Any, version: str) -> tuple[str, ...]:
    return next(kept.reasons for kept in found.kept if str(kept.version) == version)


def versions_seen(world: World, region: str = HOME) -> set[str]:
    """What readers of the production bucket find whole."""
    listed = world.s3(region).list_objects_v2(Bucket=world.bucket(Kind.PRODUCTION, region), Prefix=model_prefix(NAME))
    keys = [entry["Key"] for entry in listed.get("Contents", [])]
    return {key.split("/")[2].removeprefix("v") for key in keys if key.endswith(CHECKSUMS_FILE)}
