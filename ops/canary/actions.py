"""What the history calls the changes that commands and controllers make."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """Stands in each entry of a deployment's history."""

    CREATED = "created"
    HELD = "held"
    """A version is loaded by every pod, before it is given a share by hand."""
    WEIGHTS_SET = "weights set"
    ROLLED_BACK = "rolled back"
    CANARY_STARTED = "canary started"
    STAGE_ENTERED = "stage entered"
    EVIDENCE_NOTED = "evidence noted"
    CANARY_PASSED = "canary passed"
    CANARY_WITHDRAWN = "canary withdrawn"
    CANARY_PROMOTED = "canary promoted"
    """By hand, before its stages were over."""
    CANARY_ABORTED = "canary aborted"


JUDGED = frozenset({Action.CANARY_PASSED, Action.CANARY_WITHDRAWN})
"""How a controller ends a canary."""
ENDINGS = JUDGED | {Action.CANARY_PROMOTED, Action.CANARY_ABORTED, Action.ROLLED_BACK}
"""How a canary can end at all."""
