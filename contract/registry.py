"""The `deployments` table: its keys, index and time-to-live attribute."""

from __future__ import annotations

HASH_KEY = "user_id"
RANGE_KEY = "deployment_id"
STATUS_ATTRIBUTE = "status"
CREATED_AT_ATTRIBUTE = "created_at"
STATUS_INDEX = "status-created-index"
TTL_ATTRIBUTE = "ttl"
