"""What `serveml key` prints with `--json`: never a digest, and a key only in the answer that makes it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from contract.access import ApiKeyRecord
from ops.keys import State, state_of
from serving.access.source import JITTER, READ_TIMEOUT_SECONDS, REFRESH_SECONDS

NOTICED_SECONDS = math.ceil(REFRESH_SECONDS * (1 + JITTER) + READ_TIMEOUT_SECONDS)
"""Within which a pod knows of a change, unless `access.keys_refresh_seconds` is set or the table does not answer."""


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in UTC."""


class KeyShown(_Result, frozen=True, kw_only=True):
    """A key as it may be shown to anybody who runs commands."""

    key_id: str
    user_id: str
    state: State
    scopes: tuple[str, ...]
    created_at: datetime
    age_seconds: int
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    requests_per_minute: int | None
    """None: the service's own limit."""


class KeyCreated(_Result, frozen=True, kw_only=True):
    """The one answer that holds the key."""

    key: str
    record: KeyShown
    noticed_within_seconds: int
    warnings: tuple[str, ...]


class KeyList(_Result, frozen=True, kw_only=True):
    keys: tuple[KeyShown, ...]
    unreadable: tuple[str, ...]
    """Ids of items that are no keys by their shape: pods refuse them."""


class KeyRevoked(_Result, frozen=True, kw_only=True):
    record: KeyShown
    changed: bool
    """False where it was revoked before."""
    refused_within_seconds: int


class KeyRotated(_Result, frozen=True, kw_only=True):
    key: str
    record: KeyShown
    replaces: KeyShown
    """Good until its `expires_at`."""
    noticed_within_seconds: int


def shown(record: ApiKeyRecord, now: float) -> KeyShown:
    return KeyShown(
        key_id=record.key_id,
        user_id=record.user_id,
        state=state_of(record, now),
        scopes=record.scopes,
        created_at=_time(record.created_at),
        age_seconds=max(0, int(now) - record.created_at),
        expires_at=None if record.expires_at is None else _time(record.expires_at),
        revoked_at=None if record.revoked_at is None else _time(record.revoked_at),
        revoked_reason=record.revoked_reason,
        requests_per_minute=record.requests_per_minute,
    )


def listed(records: Iterable[ApiKeyRecord], unreadable: tuple[str, ...], now: float) -> KeyList:
    return KeyList(keys=tuple(shown(record, now) for record in records), unreadable=unreadable)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
