"""The `deployments` table: its keys, index and time-to-live attribute, and where each kind of item lies in it.

The hash key says what kind an item is: a deployment lies under its tenant's name, everything else under a name with a
`#`, which no tenant has, so that rights can be given by kind. Only deployments have a status, so the index finds no
other kind.
"""

from __future__ import annotations

from typing import NamedTuple

HASH_KEY = "user_id"
RANGE_KEY = "deployment_id"
STATUS_ATTRIBUTE = "status"
CREATED_AT_ATTRIBUTE = "created_at"
STATUS_INDEX = "status-created-index"
TTL_ATTRIBUTE = "ttl"

REVISION_ATTRIBUTE = "revision"
"""A number. Every write of a deployment names the revision that it read, and fails where that is no longer the one."""
DOCUMENT_ATTRIBUTE = "document"
"""The item's content as JSON: see `contract.deployment` and `contract.versions`."""

REPORTS_PREFIX = "pods#"
"""Of the hash keys under which pods report what they hold: the only ones that pods may write."""


class Key(NamedTuple):
    """Hash and range key of an item."""

    hash: str
    range: str

    @property
    def item(self) -> dict[str, dict[str, str]]:
        """As DynamoDB's client takes it."""
        return {HASH_KEY: {"S": self.hash}, RANGE_KEY: {"S": self.range}}


def deployment(tenant: str, deployment_id: str) -> Key:
    return Key(tenant, deployment_id)


def history(tenant: str, deployment_id: str, revision: int) -> Key:
    """Sorts as it happened."""
    return Key(f"history#{tenant}#{deployment_id}", f"{revision:012d}")


def report(tenant: str, deployment_id: str, region: str, pod: str, worker: int) -> Key:
    return Key(f"{REPORTS_PREFIX}{tenant}#{deployment_id}", f"{region}#{pod}#{worker}")


def lease(tenant: str, deployment_id: str) -> Key:
    """Which controller acts."""
    return Key(f"lease#{tenant}", deployment_id)


def notice(tenant: str, key: str) -> Key:
    """What was said already."""
    return Key(f"notice#{tenant}", key)


def version(model: str, version: str) -> Key:
    """How far a published version has come."""
    return Key(f"version#{model}", version)
