"""Where copies of a model's versions lie: the staging bucket of the first region, and every region's production bucket.

Only production buckets are replicated. What a copy's bytes are worth is for `ops.models.reading`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from contract.objects import (
    CHECKSUMS_FILE,
    MODELS_PREFIX,
    InvalidName,
    Version,
    check_model_name,
    model_prefix,
    version_of_prefix,
    version_prefix,
)
from contract.versions import Kind
from ops.platform import Platform
from serving.download import StoreUnreachable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class Place:
    """One bucket, and a client of its region."""

    kind: Kind
    region: str
    bucket: str
    s3: S3Client

    def __str__(self) -> str:
        return f"{self.kind} in {self.region}"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An object as the bucket lists it."""

    key: str
    bytes: int
    etag: str
    modified: datetime


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What lies in one place of one version, by file name."""

    place: Place
    name: str
    version: Version
    files: dict[str, Listed]

    @property
    def complete(self) -> bool:
        """Whether readers see it: its checksums are written last and deleted first."""
        return CHECKSUMS_FILE in self.files

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())

    @property
    def modified(self) -> datetime:
        return max(file.modified for file in self.files.values())

    @property
    def url(self) -> str:
        return f"s3://{self.place.bucket}/{version_prefix(self.name, self.version)}"


class NoVersion(LookupError):
    """No bucket holds the version whole; the message says where was looked."""


def staging(platform: Platform) -> Place:
    """Where versions are published to before they are promoted."""
    region = platform.home_region
    return Place(
        kind=Kind.STAGING, region=region, bucket=platform.outputs.staging_buckets[region], s3=platform.s3(region)
    )


def production(platform: Platform) -> tuple[Place, ...]:
    """Where pods read, the first region first, whose bucket S3 replicates to the others."""
    return tuple(
        Place(
            kind=Kind.PRODUCTION, region=region, bucket=platform.outputs.models_buckets[region], s3=platform.s3(region)
        )
        for region in platform.outputs.regions
    )


def every(platform: Platform) -> tuple[Place, ...]:
    return (staging(platform), *production(platform))


def models(place: Place) -> set[str]:
    """The names of the models that have anything there; raise StoreUnreachable."""
    found: set[str] = set()
    with _reached(place, MODELS_PREFIX):
        pages = place.s3.get_paginator("list_objects_v2").paginate(
            Bucket=place.bucket, Prefix=MODELS_PREFIX, Delimiter="/"
        )
        for page in pages:
            for entry in page.get("CommonPrefixes", []):
                name = entry.get("Prefix", "").removeprefix(MODELS_PREFIX).removesuffix("/")
                try:
                    found.add(check_model_name(name))
                except InvalidName:
                    continue
    return found


def copies(place: Place, name: str) -> dict[Version, Copy]:
    """Everything of a model, whole or not; raise StoreUnreachable."""
    return _listed(place, name, model_prefix(name))


def copy_of(place: Place, name: str, version: Version) -> Copy:
    """What is there of one version, which may be nothing; raise StoreUnreachable."""
    found = _listed(place, name, version_prefix(name, version))
    return found.get(version, Copy(place=place, name=name, version=version, files={}))


def whole_copy(places: tuple[Place, ...], name: str, version: Version) -> Copy:
    """The first whole copy, also where another place does not answer; raise NoVersion or StoreUnreachable."""
    away: StoreUnreachable | None = None
    parts: list[str] = []
    for place in places:
        try:
            found = copy_of(place, name, version)
        except StoreUnreachable as error:
            away = away or error
            continue
        if found.complete:
            return found
        if found.files:
            parts.append(str(place))
    if away is not None:
        raise away
    if parts:
        raise NoVersion(
            f"{name} {version} is only partly there ({', '.join(parts)}): its upload broke off before "
            f"{CHECKSUMS_FILE}, so publish it again"
        )
    looked = ", ".join(str(place) for place in places)
    raise NoVersion(f"there is no {name} {version} (looked at: {looked}): `serveml model list {name}` shows what is")


def _listed(place: Place, name: str, prefix: str) -> dict[Version, Copy]:
    files: defaultdict[Version, dict[str, Listed]] = defaultdict(dict)
    with _reached(place, prefix):
        for page in place.s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                key = entry.get("Key", "")
                directory, _, file = key.rpartition("/")
                version = version_of_prefix(name, f"{directory}/")
                if version is not None and "Size" in entry and "ETag" in entry and "LastModified" in entry:
                    files[version][file] = Listed(
                        key=key, bytes=entry["Size"], etag=entry["ETag"], modified=entry["LastModified"]
                    )
    return {
        version: Copy(place=place, name=name, version=version, files=found) for version, found in sorted(files.items())
    }


@contextmanager
def _reached(place: Place, prefix: str) -> Generator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreUnreachable(
            f"{place} cannot be read: listing s3://{place.bucket}/{prefix} failed: {error}"
        ) from error
