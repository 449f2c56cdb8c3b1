"""How a canary ended, read from the deployment's history, whoever ended it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from contract.deployment import Change
from contract.objects import Version
from ops.canary.actions import ENDINGS, Action


class Ended(StrEnum):
    PASSED = "passed"
    WITHDRAWN = "withdrawn"
    """By a controller."""
    PROMOTED = "promoted by hand"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled back"
    LEASE_LOST = "taken over"
    """By another controller: it goes on there."""
    NOTHING = "nothing on trial"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    deployment: str
    ended: Ended
    version: Version | None
    """The one that was on trial, where that is known."""
    by: str
    reason: str
    revision: int | None = None
    """Of the change that ended it."""

    @classmethod
    def of(cls, deployment_id: str, change: Change, version: Version | None) -> Outcome:
        ended = _ENDED[Action(change.action)]
        tried = version or (change.stable if ended in (Ended.PASSED, Ended.PROMOTED) else None)
        return cls(
            deployment=deployment_id,
            ended=ended,
            version=tried,
            by=change.by,
            reason=change.reason,
            revision=change.revision,
        )

    @property
    def failed(self) -> bool:
        """Whether the version on trial does not serve."""
        return self.ended in (Ended.WITHDRAWN, Ended.ABORTED, Ended.ROLLED_BACK)


def ending_of(newest_first: Iterable[Change], after: int | None) -> Change | None:
    """What ended the canary that was still on at revision `after`; without one, the last canary of all."""
    found: Change | None = None
    for change in newest_first:
        if change.revision <= after if after is not None else change.action == Action.CANARY_STARTED:
            return found
        if change.action in ENDINGS:
            found = change
    return found if after is not None else None


_ENDED = {
    Action.CANARY_PASSED: Ended.PASSED,
    Action.CANARY_WITHDRAWN: Ended.WITHDRAWN,
    Action.CANARY_PROMOTED: Ended.PROMOTED,
    Action.CANARY_ABORTED: Ended.ABORTED,
    Action.ROLLED_BACK: Ended.ROLLED_BACK,
}
