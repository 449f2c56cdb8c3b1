"""What is known of a model's versions: their records, where they lie, and which share of the requests they answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contract.objects import Version
from contract.versions import Kind, VersionRecord
from ops.models import places
from ops.models.named import deployments_of
from ops.models.places import Copy, NoVersion, Place
from ops.models.registry import versions_of
from ops.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a deployment gives a version."""

    deployment: str
    percent: int
    role: str
    """What else it is there: stable, canary, shadow or previous."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """One version. `copies` are of the first region, those of the other ones where they were asked for."""

    name: str
    version: Version
    record: VersionRecord | None
    copies: tuple[Copy, ...]
    shares: tuple[Share, ...]

    @property
    def state(self) -> str:
        """How far it has come by its record, or what the buckets show where they know better."""
        if not self.copies:
            return "deleted" if self.record is not None and self.record.withdrawn else "gone"
        if not any(copy.complete for copy in self.copies):
            return "partial"
        return "unregistered" if self.record is None else str(self.record.state)

    @property
    def bytes(self) -> int:
        return max((copy.bytes for copy in self.copies), default=0)

    @property
    def published_at(self) -> datetime | None:
        if self.record is not None:
            return self.record.published_at
        return max((copy.modified for copy in self.copies), default=None)

    def verified_regions(self, regions: tuple[str, ...]) -> tuple[str, ...]:
        """Where its production copy is known to be what was published."""
        if self.record is None:
            return ()
        return tuple(region for region in regions if self.record.verified_in(Kind.PRODUCTION, region))


def models(platform: Platform) -> list[str]:
    """Every model that the first region's buckets hold something of; raise StoreUnreachable."""
    return sorted(set[str]().union(*(places.models(place) for place in _first_region(platform))))


def versions(platform: Platform, name: str, *, every_region: bool = False) -> list[Known]:
    """All versions, the highest first; raise NoVersion for an unknown model, StoreUnreachable or botocore's errors."""
    looked = places.every(platform) if every_region else _first_region(platform)
    found = [places.copies(place, name) for place in looked]
    records = versions_of(platform).of(name)
    numbers = sorted({*records, *(version for copies in found for version in copies)}, reverse=True)
    if not numbers:
        raise NoVersion(f"there is no model {name!r}: `serveml model list` shows those that are")
    shares = _shares(platform, name)
    return [
        Known(
            name=name,
            version=version,
            record=records.get(version),
            copies=tuple(copies[version] for copies in found if version in copies),
            shares=shares.get(version, ()),
        )
        for version in numbers
    ]


def version(platform: Platform, name: str, wanted: Version) -> Known:
    """One version with its copies in every region; raise NoVersion, StoreUnreachable or botocore's errors."""
    for known in versions(platform, name, every_region=True):
        if known.version == wanted:
            return known
    raise NoVersion(f"there is no {name} {wanted}: `serveml model list {name}` shows what is")


def _first_region(platform: Platform) -> tuple[Place, ...]:
    return (places.staging(platform), places.production(platform)[0])


def _shares(platform: Platform, name: str) -> dict[Version, tuple[Share, ...]]:
    shares: dict[Version, tuple[Share, ...]] = {}
    for record in deployments_of(platform, name):
        for number in record.versions:
            roles = {
                "stable": record.stable,
                "canary": record.canary.version if record.canary else None,
                "shadow": record.shadow.version if record.shadow else None,
                "previous": record.previous,
            }
            share = Share(
                deployment=f"{record.tenant}/{record.deployment_id}",
                percent=record.percent_of(number),
                role=next((role for role, held in roles.items() if held == number), ""),
            )
            shares[number] = (*shares.get(number, ()), share)
    return shares
