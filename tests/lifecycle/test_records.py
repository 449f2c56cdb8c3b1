"""Deployments in the table: changed one revision at a time, and nothing is ever lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contract import deployment as documents
from contract import registry
from contract.deployment import Deployment, Gates, InvalidDeployment, Report, Stage, Status
from ops.rollout import transitions
from ops.rollout.records import DeploymentExists, NoDeployment, Records
from ops.rollout.transitions import ChangeRefused
from tests.lifecycle.changes import change, to
from tests.lifecycle.table import NOW, TABLE, V1, V2, V3, churn
from tests.lifecycle.writers import counted_up


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
