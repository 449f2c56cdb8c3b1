"""The tags that every taggable resource carries, for cost reports and for the janitor that stops idle environments."""

from __future__ import annotations

REQUIRED = ("Environment", "Project", "CostCenter", "Owner", "AutoShutdown")


def standard(
    *, environment: str, project: str, cost_center: str, owner: str, auto_shutdown: bool, data_class: str
) -> dict[str, str]:
    """The required tags and the class of data held, with values as AWS stores them (strings)."""
    return {
        "Environment": environment,
        "Project": project,
        "CostCenter": cost_center,
        "Owner": owner,
        "AutoShutdown": "true" if auto_shutdown else "false",
        "DataClass": data_class,
    }
