"""How long copies outlive what they were made from, where that is the same in every environment.

Figures that a stack can set, such as the days of overwritten objects, are read from the account instead.
"""

from __future__ import annotations

POINT_IN_TIME_RECOVERY_DAYS = 35
"""DynamoDB's own figure for a table that asks for none ("Point-in-time backups", Amazon DynamoDB developer guide)."""

BACKUPS_KEPT = {"daily": "7 days", "weekly": "4 weeks", "monthly": "12 months"}
"""By how often a backup is made: how long it is kept."""
