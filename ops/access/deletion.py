"""A user's data deleted for good: keys first, then unfinished uploads, then every version of every object.

The items of keys are deleted at once rather than revoked first. Pods refuse the key at their next read of the table
either way; a revoked item would only hold the user's id for longer, and take a second write that can fail. That keys
go first means that the user's programs add nothing while the rest is deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ops.access.buckets import DELETED_AT_ONCE, UserObjects
from ops.access.holdings import Holdings, find
from ops.access.report import HeldItem, HeldKind, Outcome, ReportAction, UserDataReport
from ops.aws_errors import code_of
from ops.keys import ApiKeys
from ops.platform import Platform

APPEARED = "it appeared while the rest was deleted: delete again"
INTERRUPTED = "interrupted"

_Handle = tuple[HeldKind, str, str, str | None]


class Deletion:
    """One user's deletion on one platform. `find` may be shown before `carry_out`, which looks anew."""

    def __init__(
        self,
        platform: Platform,
        user_id: str,
        *,
        by: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._platform = platform
        self._user_id = user_id
        self._by = by
        self._now = now

    def preview(self) -> UserDataReport:
        """What would go and what would stay; raise NoUser, NoPlatform, or botocore's errors."""
        began = self._now()
        held = find(self._platform, self._user_id, began)
        return self._report(began, held, held.items, dry_run=True, complete=False)

    def carry_out(self) -> UserDataReport:
        """Delete what can be deleted. What stops it half-way is the report's `failure`; it can be repeated.

        Raises as `preview` does, and then nothing was deleted.
        """
        began = self._now()
        held = find(self._platform, self._user_id, began)
        outcomes = {_handle(item): item for item in held.items}
        failure: str | None = None
        try:
            self._delete_all(held, outcomes)
            self._look_again(outcomes)
        except ClientError as error:
            failure = f"AWS refused {error.operation_name}: {code_of(error)}"
        except BotoCoreError as error:
            failure = f"AWS did not answer: {type(error).__name__}"
        except KeyboardInterrupt:
            failure = INTERRUPTED
        items = tuple(outcomes.values())
        complete = failure is None and all(_is_settled(item) for item in items)
        return self._report(began, held, items, dry_run=False, complete=complete, failure=failure)

    def _delete_all(self, held: Holdings, outcomes: dict[_Handle, HeldItem]) -> None:
        keys = ApiKeys(self._platform.dynamodb, self._platform.outputs.api_keys_table)
        for item in held.key_items:
            keys.delete(item.name)
            _set(outcomes, item, Outcome.DELETED)
        for objects, items in held.objects:
            for upload in (item for item in items if item.kind is HeldKind.UPLOAD):
                objects.abort(upload)
                _set(outcomes, upload, Outcome.DELETED)
        for objects, items in held.objects:
            free = [item for item in items if item.kind is not HeldKind.UPLOAD and item.outcome is Outcome.FOUND]
            for start in range(0, len(free), DELETED_AT_ONCE):
                _delete_some(objects, free[start : start + DELETED_AT_ONCE], outcomes)

    def _look_again(self, outcomes: dict[_Handle, HeldItem]) -> None:
        """What is still there, or was put there meanwhile, is in the report, so that nothing passes for deleted."""
        for item in find(self._platform, self._user_id, self._now()).items:
            before = outcomes.get(_handle(item))
            if before is None or before.outcome is Outcome.DELETED:
                _set(outcomes, item, item.outcome, item.reason or APPEARED)

    def _report(
        self,
        began: datetime,
        held: Holdings,
        items: tuple[HeldItem, ...],
        *,
        dry_run: bool,
        complete: bool,
        failure: str | None = None,
    ) -> UserDataReport:
        return UserDataReport(
            action=ReportAction.DELETION,
            dry_run=dry_run,
            environment=self._platform.environment,
            user_id=self._user_id,
            by=self._by,
            began_at=began,
            ended_at=self._now(),
            complete=complete,
            looked_at=held.places,
            items=items,
            elsewhere=held.elsewhere,
            failure=failure,
        )


def _delete_some(objects: UserObjects, items: list[HeldItem], outcomes: dict[_Handle, HeldItem]) -> None:
    refused = objects.delete(items)
    for item in items:
        word = refused.get((item.name, item.version))
        if word is None:
            _set(outcomes, item, Outcome.DELETED)
        else:
            _set(outcomes, item, Outcome.FOUND, f"S3 refused to delete it: {word}")


def _set(outcomes: dict[_Handle, HeldItem], item: HeldItem, outcome: Outcome, reason: str | None = None) -> None:
    outcomes[_handle(item)] = msgspec.structs.replace(item, outcome=outcome, reason=reason)


def _handle(item: HeldItem) -> _Handle:
    return (item.kind, item.place, item.name, item.version)


def _is_settled(item: HeldItem) -> bool:
    """Deleted, or kept for a reason that no repetition changes today."""
    return item.outcome in (Outcome.DELETED, Outcome.KEPT)
