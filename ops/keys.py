"""API keys in the platform's table: made here, shown once, kept as digests, revoked, and replaced with an overlap.

Pods read the whole table again and again, so whatever is written here counts within one of their refreshes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contract import access
from contract.access import ApiKeyRecord, InvalidRecord
from ops.aws_errors import CONDITION_FAILED, TRANSACTION_CANCELLED, code_of
from ops.table import made, query, scan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LONGEST_OVERLAP = timedelta(days=30)

_SHOWN = "`serveml key list` shows the ids there are"


class KeyRefused(ValueError):
    """Nothing was changed, and why."""


class NoKey(KeyRefused):
    """There is no key of that id."""


class TooManyKeys(KeyRefused):
    """The user has as many good keys as a user may have."""


class KeyChanged(KeyRefused):
    """Somebody else changed the key between the reading and the writing."""


class State(StrEnum):
    """Whether a key opens anything."""

    GOOD = "good"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Keys of the table, the newest first, and the ids of items that are no keys by their shape: pods refuse those."""

    records: tuple[ApiKeyRecord, ...]
    unreadable: tuple[str, ...] = ()


def id_in(text: str) -> str:
    """The id where a whole key was given, which is how a leaked one is found, or an id with the prefix."""
    return access.key_id_of(text) or text.removeprefix(access.KEY_PREFIX)


def state_of(record: ApiKeyRecord, now: float) -> State:
    """As a pod judges it: a revocation comes first, and cannot be dated ahead."""
    if record.revoked_at is not None:
        return State.REVOKED
    return State.EXPIRED if record.expires_at is not None and now >= record.expires_at else State.GOOD


class ApiKeys:
    """One platform's keys. Methods raise KeyRefused, InvalidRecord, or botocore's errors; `now` is Unix time."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, *, now: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._now = now

    def issue(
        self,
        *,
        user_id: str,
        scopes: Iterable[str],
        expires_at: int | None = None,
        requests_per_minute: int | None = None,
    ) -> tuple[str, ApiKeyRecord]:
        """A new key, which cannot be had again, and what is kept of it."""
        now = self._now()
        if expires_at is not None and expires_at <= now:
            raise KeyRefused("the expiry lies in the past: give a later one")
        text, record = access.issue(
            user_id=user_id, scopes=scopes, now=now, expires_at=expires_at, requests_per_minute=requests_per_minute
        )
        self._check_room(user_id)
        try:
            self._dynamodb.put_item(**self._put(record))
        except ClientError as error:
            # The client repeats a write whose answer was lost; the repetition then meets what the first one wrote.
            if code_of(error) != CONDITION_FAILED or self.get(record.key_id).digest != record.digest:
                raise
        return text, record

    def get(self, key_id: str) -> ApiKeyRecord:
        """As it is now; raise NoKey."""
        if not access.is_key_id(key_id):
            # Not quoted: it may be a secret in the wrong place.
            raise NoKey(f"that is no id of a key, which has 12 characters a-z and 2-7: {_SHOWN}")
        found = self._dynamodb.get_item(TableName=self._table, Key=_key(key_id), ConsistentRead=True).get("Item")
        if found is None:
            raise NoKey(f"there is no key {key_id}: {_SHOWN}")
        return access.from_item(found)

    def of_user(self, user_id: str) -> Found:
        """By the index, which may lag behind the table by a moment."""
        return _read(query(self._dynamodb, self._table, access.USER_INDEX_HASH_KEY, user_id, index=access.USER_INDEX))

    def all(self, *, user_id: str | None = None) -> Found:
        """By a consistent scan of the whole table, so that nothing is missed; of one user where one is named."""
        given: dict[str, Any] = {}
        if user_id is not None:
            given = {
                "FilterExpression": "#user = :user",
                "ExpressionAttributeNames": {"#user": access.USER_INDEX_HASH_KEY},
                "ExpressionAttributeValues": {":user": {"S": user_id}},
            }
        return _read(scan(self._dynamodb, self._table, **given))

    def revoke(self, key_id: str, reason: str | None = None) -> tuple[ApiKeyRecord, bool]:
        """The revoked key, and whether this call revoked it: the first revocation stands, with its reason."""
        before = self.get(key_id)
        if before.revoked_at is not None:
            return before, False
        revoked = replace(before, revoked_at=int(self._now()), revoked_reason=reason)
        values = access.to_item(revoked)
        names = ["revoked_at"] if reason is None else ["revoked_at", "revoked_reason"]
        update = partial(
            self._dynamodb.update_item,
            TableName=self._table,
            Key=_key(key_id),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in names),
            # Without the first of these an update would make an item of a key that was deleted meanwhile.
            ConditionExpression="attribute_exists(#key) AND attribute_not_exists(#revoked_at)",
            ExpressionAttributeNames={"#key": access.HASH_KEY, **{f"#{name}": name for name in names}},
            ExpressionAttributeValues={f":{name}": values[name] for name in names},
        )
        return (revoked, True) if made(update) else (self.get(key_id), False)

    def rotate(
        self, key_id: str, overlap: timedelta, *, lifetime: timedelta | None = None
    ) -> tuple[str, ApiKeyRecord, ApiKeyRecord]:
        """A new key with the same rights, its record, and the old one's, which is good for the overlap and no longer.

        Without a `lifetime` the new key lives as long as the old one was given. Both are written, or neither is.
        """
        if not timedelta(seconds=1) <= overlap <= LONGEST_OVERLAP:
            raise KeyRefused(f"the overlap is {overlap}: from a second to {LONGEST_OVERLAP.days} days are allowed")
        old, now = self.get(key_id), self._now()
        if (state := state_of(old, now)) is not State.GOOD:
            raise KeyRefused(f"key {key_id} is {state.value} and has no rights to hand on: create a new key")
        self._check_room(old.user_id, besides=key_id)
        if lifetime is None and old.expires_at is not None:
            lifetime = timedelta(seconds=old.expires_at - old.created_at)
        text, new = access.issue(
            user_id=old.user_id,
            scopes=old.scopes,
            now=now,
            expires_at=None if lifetime is None else int(now + lifetime.total_seconds()),
            requests_per_minute=old.requests_per_minute,
        )
        ends = int(now + overlap.total_seconds())
        ending = replace(old, expires_at=ends if old.expires_at is None else min(old.expires_at, ends))
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[{"Put": self._put(new)}, {"Update": self._ending(old, ending)}]
            )
        except ClientError as error:
            if code_of(error) != TRANSACTION_CANCELLED:
                raise
            raise KeyChanged(
                f"key {key_id} was changed by somebody else meanwhile: look at it, then try again"
            ) from None
        return text, new, ending

    def delete(self, key_id: str) -> None:
        """Remove what is kept of the key; what is not there counts as removed."""
        self._dynamodb.delete_item(TableName=self._table, Key=_key(key_id))

    def _check_room(self, user_id: str, *, besides: str | None = None) -> None:
        now = self._now()
        good = [
            record.key_id
            for record in self.of_user(user_id).records
            if state_of(record, now) is State.GOOD and record.key_id != besides
        ]
        if len(good) >= access.MOST_KEYS_PER_USER:
            raise TooManyKeys(
                f"{user_id} has {len(good)} good keys, {access.MOST_KEYS_PER_USER} are allowed: revoke one that is not "
                f"used any more ({', '.join(good)})"
            )

    def _put(self, record: ApiKeyRecord) -> Any:
        return {
            "TableName": self._table,
            "Item": access.to_item(record),
            # Ids are random: should one come twice, the key that has it stays good.
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": access.HASH_KEY},
        }

    def _ending(self, old: ApiKeyRecord, ending: ApiKeyRecord) -> Any:
        """The write of the old key's end, which fails where the key is not any more as it was read."""
        as_read = "attribute_not_exists(#end)" if old.expires_at is None else "#end = :before"
        values = {":end": {"N": str(ending.expires_at)}}
        if old.expires_at is not None:
            values[":before"] = {"N": str(old.expires_at)}
        return {
            "TableName": self._table,
            "Key": _key(old.key_id),
            "UpdateExpression": "SET #end = :end",
            "ConditionExpression": f"attribute_exists(#key) AND attribute_not_exists(#revoked) AND {as_read}",
            "ExpressionAttributeNames": {"#key": access.HASH_KEY, "#end": "expires_at", "#revoked": "revoked_at"},
            "ExpressionAttributeValues": values,
        }


def _read(items: Iterable[Any]) -> Found:
    records: list[ApiKeyRecord] = []
    unreadable: list[str] = []
    for item in items:
        try:
            records.append(access.from_item(item))
        except InvalidRecord:
            unreadable.append(item[access.HASH_KEY]["S"])
    records.sort(key=lambda record: (-record.created_at, record.key_id))
    return Found(records=tuple(records), unreadable=tuple(sorted(unreadable)))


def _key(key_id: str) -> dict[str, Any]:
    return {access.HASH_KEY: {"S": key_id}}
