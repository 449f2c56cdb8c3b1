"""Keys that a test was given."""

from __future__ import annotations

from typing import Any

from contract import access
from contract.access import ApiKeyRecord

NOW = 1_800_000_000
Issued = tuple[str, ApiKeyRecord]


def issued(**changes: Any) -> Issued:
    wanted: dict[str, Any] = {"user_id": "ada", "scopes": ["churn"], "now": NOW}
    return access.issue(**(wanted | changes))
