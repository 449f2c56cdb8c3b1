"""Versions in the table: registered once they are published, changed one revision at a time, asked before a canary.

Who lost a race reads again and decides anew, as with deployments (`ops.rollout.records`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from contract import registry, versions
from contract.objects import Version
from contract.versions import VersionRecord
from ops.models import places
from ops.models.places import Place
from ops.models.reading import promise_of
from ops.models.requirements import NotPromotable, lacking_for_traffic, needs_evidence
from ops.platform import Platform
from ops.table import made, query, tries
from serving.signature import TrustedKeys

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "NotPromotable",
    "UnknownVersion",
    "VersionConflict",
    "VersionTaken",
    "Versions",
    "register",
    "require_promotable",
    "versions_of",
]

ATTEMPTS = 100
"""Past this many others' writes between a reading and a writing, something else is wrong."""


class UnknownVersion(LookupError):
    """The table has no record of the version; the message says how it gets one."""


class VersionTaken(ValueError):
    """The number stands for other bytes, or for a version that was withdrawn."""


class VersionConflict(RuntimeError):
    """Others changed the record each time between the reading and the writing."""


class Published(Protocol):
    """What publishing tells of a version: see `ops.models.publish.PublishedModel`."""

    @property
    def bucket(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> Version: ...
    @property
    def digests(self) -> dict[str, str]: ...


class Versions:
    """The records of every model's versions."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        table: str,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._pause = pause

    def find(self, model: str, version: Version) -> VersionRecord | None:
        """As it is now, or None; raise InvalidVersionRecord, or botocore's errors."""
        found = self._dynamodb.get_item(
            TableName=self._table, Key=registry.version(model, str(version)).item, ConsistentRead=True
        ).get("Item")
        return None if found is None else _read(found)

    def get(self, model: str, version: Version) -> VersionRecord:
        """Raise UnknownVersion."""
        found = self.find(model, version)
        if found is None:
            raise UnknownVersion(
                f"there is no record of {model} {version}: publish it, or publish it again where its files are in the "
                "bucket already, which changes none of them"
            )
        return found

    def of(self, model: str) -> dict[Version, VersionRecord]:
        """Every record of the model, the lowest version first."""
        key = registry.version(model, "").hash
        found = [_read(item) for item in query(self._dynamodb, self._table, registry.HASH_KEY, key)]
        return {record.version: record for record in sorted(found, key=lambda record: record.version)}

    def create(self, record: VersionRecord) -> bool:
        """Write a first record; False, and nothing done, where there is one."""
        return self._put(
            versions.replace(record, revision=1),
            ConditionExpression="attribute_not_exists(#hash)",
            ExpressionAttributeNames={"#hash": registry.HASH_KEY},
        )

    def change(self, model: str, version: Version, make: Callable[[VersionRecord], VersionRecord]) -> VersionRecord:
        """Write what `make` makes of the record, and return it.

        `make` is called anew on each conflict, and may refuse by raising. What it returns unchanged is not written.
        Raises UnknownVersion, and VersionConflict after many tries.
        """
        for _ in tries(ATTEMPTS, self._pause):
            before = self.get(model, version)
            changed = make(before)
            if changed == before:
                return before
            after = versions.replace(changed, revision=before.revision + 1)
            if self._put(
                after,
                ConditionExpression="#revision = :before",
                ExpressionAttributeNames={"#revision": registry.REVISION_ATTRIBUTE},
                ExpressionAttributeValues={":before": {"N": str(before.revision)}},
            ):
                return after
        raise VersionConflict(
            f"the record of {model} {version} was changed by others at each of {ATTEMPTS} tries: try again"
        )

    def _put(self, record: VersionRecord, **condition: Any) -> bool:
        item = {
            **registry.version(record.model, str(record.version)).item,
            registry.REVISION_ATTRIBUTE: {"N": str(record.revision)},
            registry.DOCUMENT_ATTRIBUTE: {"S": versions.encode(record).decode()},
        }
        return made(partial(self._dynamodb.put_item, TableName=self._table, Item=item, **condition))


def versions_of(platform: Platform) -> Versions:
    return Versions(platform.dynamodb, platform.outputs.deployments_table)


def register(
    platform: Platform,
    published: Published,
    by: str,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> VersionRecord:
    """Write the record of a version whose files are all in a bucket; the same bytes again change nothing.

    Raises VersionTaken for other bytes under the same number and for a version that was withdrawn, CopyCorrupt where
    the bucket holds something else than was published, StoreUnreachable, or botocore's errors.
    """
    name, version = published.name, published.version
    copy = places.copy_of(_place_of(platform, published.bucket), name, version)
    promise = promise_of(copy, TrustedKeys())
    if promise.digests != published.digests:
        raise VersionTaken(f"{copy.url} holds other files than were published: publish under a new version")
    first = VersionRecord(
        model=name,
        version=version,
        digest=promise.digest,
        published_at=now(),
        published_by=by,
        dataset_version=promise.metadata.dataset_version,
        git_sha=promise.metadata.git_sha,
        signed_by=promise.signed_by,
    )
    table = versions_of(platform)
    if table.create(first):
        return first

    def signed_later(record: VersionRecord) -> VersionRecord:
        if record.digest != first.digest:
            raise VersionTaken(
                f"{name} {version} is registered with other bytes (by {record.published_by}): publish under a new "
                "version"
            )
        if record.withdrawn is not None:
            raise VersionTaken(
                f"{name} {version} was withdrawn by {record.withdrawn.by} ({record.withdrawn.reason}): publish under "
                "a new version"
            )
        return versions.replace(record, signed_by=promise.signed_by or record.signed_by)

    return table.change(name, version, signed_later)


def require_promotable(platform: Platform, model: str, version: Version) -> None:
    """Raise NotPromotable unless the version may be given traffic; see `ops.models.requirements` for what it takes.

    Raises StoreUnreachable or botocore's errors where that cannot be told.
    """
    record = versions_of(platform).find(model, version)
    if record is None and needs_evidence(platform.environment):
        raise NotPromotable(f"{model} {version} may not be given traffic: it has no record, so publish it first")
    if record is not None:
        lacking = lacking_for_traffic(record, platform.environment, platform.outputs.regions)
        if lacking:
            raise NotPromotable(f"{model} {version} may not be given traffic: {'; '.join(lacking)}")
    if not needs_evidence(platform.environment):
        home = places.production(platform)[0]
        if not places.copy_of(home, model, version).complete:
            raise NotPromotable(
                f"{model} {version} may not be given traffic: {home} does not hold it: publish it there, or promote it"
            )


def _place_of(platform: Platform, bucket: str) -> Place:
    for place in places.every(platform):
        if place.bucket == bucket:
            return place
    raise VersionTaken(
        f"the bucket {bucket} is none of {platform.environment}'s: publish to "
        f"{', '.join(place.bucket for place in places.every(platform))}"
    )


def _read(item: Any) -> VersionRecord:
    return versions.decode(item[registry.DOCUMENT_ATTRIBUTE]["S"])
