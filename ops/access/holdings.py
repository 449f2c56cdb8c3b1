"""Everything the platform holds about one user, found in one pass that changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from contract import access
from contract.access import ApiKeyRecord
from ops.access.buckets import UserObjects
from ops.access.elsewhere import elsewhere
from ops.access.records import Mention, mentions
from ops.access.report import Elsewhere, HeldItem, HeldKind, SearchedPlace
from ops.keys import ApiKeys
from ops.platform import NoPlatform, Platform


class NoUser(ValueError):
    """The text cannot name a user; nothing was looked up."""


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """What was found, and where it was looked for."""

    keys: tuple[ApiKeyRecord, ...]
    key_items: tuple[HeldItem, ...]
    """Of the keys, and of items under the user's name that are no keys by their shape."""
    objects: tuple[tuple[UserObjects, tuple[HeldItem, ...]], ...]
    mentions: tuple[Mention, ...]
    places: tuple[SearchedPlace, ...]
    elsewhere: tuple[Elsewhere, ...]

    @property
    def items(self) -> tuple[HeldItem, ...]:
        return (
            *self.key_items,
            *(item for _, items in self.objects for item in items),
            *(mention.item for mention in self.mentions),
        )


def find(platform: Platform, user_id: str, now: datetime) -> Holdings:
    """Look everywhere; raise NoUser, NoPlatform, or botocore's errors."""
    if not access.is_user_id(user_id):
        raise NoUser("that is no id of a user: 1 to 128 printable ASCII characters without blanks are allowed")
    outputs = platform.outputs
    if not outputs.datasets_buckets:
        raise NoPlatform(
            f"the outputs of {platform.environment} name no buckets of data sets, so not everything could be looked "
            "at: run `pulumi up`, then write them anew"
        )
    keys = ApiKeys(platform.dynamodb, outputs.api_keys_table).all(user_id=user_id)
    key_items = (
        *(_key_item(outputs.api_keys_table, record) for record in keys.records),
        *(HeldItem(kind=HeldKind.API_KEY, place=outputs.api_keys_table, name=name) for name in keys.unreadable),
    )
    named = tuple(mentions(platform.dynamodb, outputs.deployments_table, user_id))
    places = [
        SearchedPlace(name=outputs.api_keys_table, region=platform.home_region, holds="API keys", found=len(key_items)),
        SearchedPlace(
            name=outputs.deployments_table, region=platform.home_region, holds="deployments", found=len(named)
        ),
    ]
    objects: list[tuple[UserObjects, tuple[HeldItem, ...]]] = []
    for holds, region, bucket in _buckets(platform):
        of_user = UserObjects(platform.s3(region), bucket, user_id)
        items = tuple(of_user.find(now))
        objects.append((of_user, items))
        places.append(SearchedPlace(name=bucket, region=region, holds=holds, found=len(items)))
    return Holdings(
        keys=keys.records,
        key_items=key_items,
        objects=tuple(objects),
        mentions=named,
        places=tuple(places),
        elsewhere=tuple(elsewhere(platform, [of_user for of_user, _ in objects])),
    )


def _buckets(platform: Platform) -> Iterator[tuple[str, str, str]]:
    """What each holds, its region and its name: replicas are buckets of their own, which deletions do not reach."""
    outputs = platform.outputs
    by_kind = {
        "models, production": outputs.models_buckets,
        "models, staging": outputs.staging_buckets,
        "data sets": outputs.datasets_buckets,
    }
    for holds, buckets in by_kind.items():
        for region, bucket in buckets.items():
            yield holds, region, bucket


def _key_item(table: str, record: ApiKeyRecord) -> HeldItem:
    return HeldItem(
        kind=HeldKind.API_KEY, place=table, name=record.key_id, at=datetime.fromtimestamp(record.created_at, UTC)
    )
