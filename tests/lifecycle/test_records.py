"""Deployments in the table: changed one revision at a time, whoever else writes, and nothing is ever lost."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract import deployment as documents
from contract import registry
from contract.deployment import Deployment, Gates, InvalidDeployment, Report, Stage, Status
from contract.objects import Version
from localcloud.moto_server import MotoServer
from ops.rollout import records as module
from ops.rollout import transitions
from ops.rollout.lease import Leases
from ops.rollout.records import DeploymentExists, LeaseLost, NoDeployment, RecordConflict, Records
from ops.rollout.transitions import ChangeRefused
from tests.lifecycle.table import NOW, TABLE, V1, V2, V3, churn
from tests.lifecycle.writers import counted_up, write_together


def to(version: Version) -> Callable[[Deployment], Deployment]:
    """Serve the version alone."""
    return lambda before: documents.replace(
        before, stable=version, weights=(documents.Weight(version=version, percent=100),)
    )


def change(records: Records, make: Callable[[Deployment], Deployment], **changed: Any) -> Deployment:
    return records.change("churn", make, **({"by": "bob", "action": "set", "reason": "because"} | changed))


@pytest.fixture
def created(records: Records) -> Deployment:
    return records.create(churn(), action="create", reason="first")


class TestOneWriter:
    def test_a_new_deployment_is_read_as_it_was_written(self, records: Records, created: Deployment) -> None:
        assert records.get("churn") == created
        assert created.revision == 1

    def test_a_second_of_the_same_name_is_refused_and_changes_nothing(
        self, records: Records, created: Deployment
    ) -> None:
        with pytest.raises(DeploymentExists, match="'churn' of default exists: change it instead"):
            records.create(churn(V2), action="create", reason="again")
        assert records.get("churn") == created
        assert len(list(records.history("churn"))) == 1

    def test_what_is_not_there_is_said_with_what_to_do(self, records: Records) -> None:
        with pytest.raises(NoDeployment, match="no deployment 'churn' of default: make one with `serveml deployment"):
            records.get("churn")
        with pytest.raises(NoDeployment):
            change(records, to(V2))

    def test_a_change_makes_the_next_revision_and_says_who_did_it(self, records: Records, created: Deployment) -> None:
        after = change(records, to(V2))
        assert (after.revision, after.changed_by, after.stable) == (2, "bob", V2)
        assert after.created_at == created.created_at
        assert after.changed_at >= created.changed_at
        assert records.get("churn") == after

    def test_the_history_tells_every_change_the_newest_first(self, records: Records, created: Deployment) -> None:
        for number, version in enumerate((V2, V3, V1)):
            change(records, to(version), reason=f"reason {number}")
        told = list(records.history("churn"))
        assert [entry.revision for entry in told] == [4, 3, 2, 1]
        assert [entry.stable for entry in told] == [V1, V3, V2, V1]
        assert [(entry.by, entry.action, entry.reason) for entry in told[:2]] == [
            ("bob", "set", "reason 2"),
            ("bob", "set", "reason 1"),
        ]
        assert [entry.revision for entry in records.history("churn", most=2)] == [4, 3]

    def test_the_history_sorts_as_it_happened_past_ten_changes(self, records: Records, created: Deployment) -> None:
        for _ in range(11):
            change(records, lambda before: counted_up(before, 0))
        assert [entry.revision for entry in records.history("churn")] == list(range(12, 0, -1))

    def test_what_is_left_as_it_was_is_not_written(self, records: Records, created: Deployment) -> None:
        assert change(records, lambda before: before) == created
        assert len(list(records.history("churn"))) == 1

    def test_a_change_without_a_note_is_made_all_the_same(self, records: Records, created: Deployment) -> None:
        after = change(records, to(V2), noted=False)
        assert records.get("churn") == after
        assert [entry.revision for entry in records.history("churn")] == [1]
        change(records, to(V3))
        assert [entry.revision for entry in records.history("churn")] == [3, 1]

    @pytest.mark.parametrize(
        ("make", "refusal"),
        [
            (lambda before: transitions.finish_canary(before), ChangeRefused),
            (lambda before: documents.replace(before, weights=()), InvalidDeployment),
        ],
    )
    def test_a_refused_change_leaves_everything_as_it_was(
        self,
        records: Records,
        created: Deployment,
        make: Callable[[Deployment], Deployment],
        refusal: type[Exception],
    ) -> None:
        with pytest.raises(refusal):
            change(records, make)
        assert records.get("churn") == created
        assert len(list(records.history("churn"))) == 1

    def test_deployments_are_found_by_tenant_and_by_status(self, dynamodb: Any, records: Records) -> None:
        for name in ("churn", "fraud", "basket"):
            records.create(transitions.new(name, V1, by="ada", now=NOW), action="create", reason="first")
        other = Records(dynamodb, TABLE, "acme")
        other.create(churn(V2, tenant="acme"), action="create", reason="theirs")
        change(
            records,
            lambda before: transitions.start_canary(
                before, V2, canary_id="c1", stages=(Stage(percent=100),), gates=Gates(), by="ada", now=NOW
            ),
        )
        assert [record.deployment_id for record in records.all()] == ["basket", "churn", "fraud"]
        assert [record.deployment_id for record in records.all(Status.CANARY)] == ["churn"]
        assert {record.deployment_id for record in records.all(Status.SERVING)} == {"basket", "fraud"}
        assert [record.stable for record in other.all()] == [V2]

    def test_reports_are_those_of_the_deployment_alone(
        self, dynamodb: Any, records: Records, created: Deployment
    ) -> None:
        said = Report(region="us-east-1", pod="p1", worker=0, revision=1, loaded=(V1,), at=NOW)
        for name in ("churn", "fraud"):
            key = registry.report("default", name, said.region, said.pod, said.worker)
            document = {registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(said).decode()}}
            dynamodb.put_item(TableName=TABLE, Item={**key.item, **document})
        assert records.reports("churn") == [said]
        assert list(records.all()) == [created]

    def test_a_spoilt_record_is_one_clear_error(self, dynamodb: Any, records: Records) -> None:
        key = registry.deployment("default", "churn")
        dynamodb.put_item(TableName=TABLE, Item={**key.item, registry.DOCUMENT_ATTRIBUTE: {"S": "{}"}})
        with pytest.raises(InvalidDeployment, match="cannot be read: Object missing required field"):
            records.get("churn")


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
        monkeypatch.setattr(module.random, "uniform", lambda low, high: high)
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
