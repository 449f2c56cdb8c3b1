"""Deployments in the table while others write: every change is made once, by who may, or refused."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.deployment import Deployment, Gates, Stage
from contract.objects import Version
from localcloud.moto_server import MotoServer
from ops import table
from ops.rollout import records as module
from ops.rollout import transitions
from ops.rollout.lease import Leases
from ops.rollout.records import LeaseLost, RecordConflict, Records
from ops.rollout.transitions import ChangeRefused
from tests.lifecycle.changes import change, to
from tests.lifecycle.table import NOW, TABLE, V1, V2, V3, churn
from tests.lifecycle.writers import counted_up, write_together


class TestOthersWrite:
    def test_who_lost_a_race_decides_anew_on_what_is_there(self, records: Records, created: Deployment) -> None:
        seen: list[int] = []

        def make(before: Deployment) -> Deployment:
            seen.append(before.revision)
            if len(seen) < 3:
                change(records, lambda now: counted_up(now, 7), by="faster")
            return counted_up(before, 1)

        after = change(records, make)
        assert seen == [1, 2, 3]
        assert (after.revision, after.stable) == (4, Version(1, 3, 1))
        assert [entry.by for entry in records.history("churn")] == ["bob", "faster", "faster", "ada"]

    def test_a_change_that_is_no_longer_allowed_is_refused_on_the_second_look(
        self, records: Records, created: Deployment
    ) -> None:
        def start(before: Deployment) -> Deployment:
            return transitions.start_canary(
                before, V2, canary_id="c1", stages=(Stage(percent=100),), gates=Gates(), by="bob", now=NOW
            )

        def late(before: Deployment) -> Deployment:
            if before.canary is None:
                change(records, start, by="faster")
            return start(before)

        with pytest.raises(ChangeRefused, match=r"tries 2\.0\.0 already"):
            change(records, late)
        assert records.get("churn").revision == 2

    def test_who_loses_every_race_gives_up_in_the_end_and_has_changed_nothing(
        self, records: Records, created: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "ATTEMPTS", 5)

        def make(before: Deployment) -> Deployment:
            change(records, lambda now: counted_up(now, 7), by="faster")
            return counted_up(before, 1)

        with pytest.raises(RecordConflict, match="changed by others at each of 5 tries: see its history"):
            change(records, make)
        assert {entry.by for entry in records.history("churn")} == {"ada", "faster"}

    def test_between_two_tries_it_waits_longer_each_time_but_never_long(
        self, dynamodb: Any, created: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float] = []
        records = Records(dynamodb, TABLE, pause=waited.append)
        monkeypatch.setattr(table.random, "uniform", lambda low, high: high)
        refused = refusals(monkeypatch, dynamodb, 12, "ConditionalCheckFailed", "None")
        change(records, to(V2))
        assert len(waited) == len(refused) == 12
        assert waited == sorted(waited)
        assert waited[-1] <= 0.2

    @pytest.mark.parametrize(
        "reasons",
        [("TransactionConflict", "None"), ("None", "TransactionConflict"), ("ConditionalCheckFailed", "None")],
    )
    def test_a_transaction_that_met_another_is_tried_again(
        self,
        dynamodb: Any,
        records: Records,
        created: Deployment,
        reasons: tuple[str, ...],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        refused = refusals(monkeypatch, dynamodb, 1, *reasons)
        assert change(records, to(V2)).revision == 2
        assert len(refused) == 1

    @pytest.mark.parametrize(
        "reasons", [("None", "None", "TransactionConflict"), ("TransactionConflict", "None", "None")]
    )
    def test_a_new_deployment_that_met_another_transaction_is_not_taken_for_one_that_exists(
        self, dynamodb: Any, records: Records, reasons: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = refusals(monkeypatch, dynamodb, 3, *reasons)
        assert records.create(churn(), action="create", reason="first") == records.get("churn")
        assert len(refused) == 3

    @pytest.mark.parametrize("reasons", [("ThrottlingError", "None"), ("ValidationError", "None")])
    def test_what_is_no_race_is_not_tried_again(
        self,
        dynamodb: Any,
        records: Records,
        created: Deployment,
        reasons: tuple[str, ...],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        refusals(monkeypatch, dynamodb, 1, *reasons)
        with pytest.raises(ClientError):
            change(records, to(V2))
        assert records.get("churn") == created


class TestLeases:
    def test_the_holder_writes_and_its_predecessor_does_not(
        self, dynamodb: Any, records: Records, created: Deployment
    ) -> None:
        leases = Leases(dynamodb, TABLE, "default")
        old = leases.acquire("churn", "old")
        assert old is not None
        assert change(records, to(V2), lease=old).stable == V2
        leases.release(old)
        with pytest.raises(LeaseLost, match="another controller has taken over the deployment 'churn'"):
            change(records, to(V3), lease=old)
        new = leases.acquire("churn", "new")
        assert new is not None
        with pytest.raises(LeaseLost):
            change(records, to(V3), lease=old)
        assert change(records, to(V1), lease=new).stable == V1
        assert [entry.revision for entry in records.history("churn")] == [3, 2, 1]

    def test_a_lost_lease_counts_before_a_lost_race(self, dynamodb: Any, records: Records, created: Deployment) -> None:
        leases = Leases(dynamodb, TABLE, "default")
        lease = leases.acquire("churn")
        assert lease is not None

        def make(before: Deployment) -> Deployment:
            leases.release(lease)
            change(records, lambda now: counted_up(now, 7), by="faster")
            return counted_up(before, 1)

        with pytest.raises(LeaseLost):
            change(records, make, lease=lease)
        assert records.get("churn").changed_by == "faster"

    def test_a_lease_is_lost_for_a_change_without_a_note_too(
        self, dynamodb: Any, records: Records, created: Deployment
    ) -> None:
        leases = Leases(dynamodb, TABLE, "default")
        lease = leases.acquire("churn")
        assert lease is not None
        change(records, to(V2), lease=lease, noted=False)
        leases.release(lease)
        with pytest.raises(LeaseLost):
            change(records, to(V3), lease=lease, noted=False)
        assert records.get("churn").stable == V2


WRITERS = 8
# moto copies the whole table for each item of a transaction: 125 changes each, 1000 in all, take a minute and a half.
CHANGES_EACH = int(os.environ.get("CHANGES_EACH", "25"))


class TestManyProcesses:
    def test_the_changes_of_eight_writers_are_all_made_one_after_the_other(
        self, server: MotoServer, shared_table: Any
    ) -> None:
        records = Records(shared_table, TABLE)
        records.create(churn(), action="create", reason="first")
        by_writer = write_together(server.endpoint, "churn", WRITERS, CHANGES_EACH)
        told = list(records.history("churn"))[::-1]
        last = WRITERS * CHANGES_EACH + 1

        assert [entry.revision for entry in told] == list(range(1, last + 1))
        assert Counter(entry.by for entry in told[1:]) == {f"writer-{n}": CHANGES_EACH for n in range(WRITERS)}
        for writer, revisions in enumerate(by_writer):
            assert [entry.revision for entry in told if entry.by == f"writer-{writer}"] == revisions
            own = [entry.reason for entry in told if entry.by == f"writer-{writer}"]
            assert own == [f"{writer}/{number}" for number in range(CHANGES_EACH)]
        # Each was made of what the one before it had left.
        assert [entry.stable.minor for entry in told] == list(range(last))
        now = records.get("churn")
        assert (now.revision, now.changed_by, now.stable) == (last, told[-1].by, told[-1].stable)


def refusals(monkeypatch: pytest.MonkeyPatch, dynamodb: Any, times: int, *reasons: str) -> list[str]:
    """Cancel so many transactions for these reasons, as DynamoDB does; the list grows by each."""
    refused: list[str] = []
    write = dynamodb.transact_write_items

    def transact_write_items(**arguments: Any) -> Any:
        if len(refused) == times:
            return write(**arguments)
        refused.append("")
        answer: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
            "CancellationReasons": [{"Code": reason} for reason in reasons],
        }
        raise ClientError(answer, "TransactWriteItems")

    monkeypatch.setattr(dynamodb, "transact_write_items", transact_write_items)
    return refused
