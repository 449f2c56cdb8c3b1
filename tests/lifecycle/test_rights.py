"""Every command of `serveml` against the policy of each duty: who may run it can, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from moto import mock_aws

from components.operators import duties
from components.operators.duties import COMMANDS, NOT_KEPT_APART, PODS_OWN, Approval, Duty, approval_in
from components.operators.policies import document
from contract.objects import Version
from ops import reference
from ops.commands.shown import Exit
from ops.models.requirements import needs_evidence, needs_four_eyes
from ops.platform import ENVIRONMENTS
from tests.lifecycle.rights_world import KEYS, NAME, RightsWorld, live, reach
from tests.lifecycle.table import TABLE
from tests.support.aws_calls import requests
from tests.support.iam import Request, is_allowed
from tests.support.policies import as_list

POLICIES = {duty: document(duty, reach()) for duty in Duty}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "lifecycle.md"

UNCALLED = {
    (Duty.PUBLISHER, "s3:AbortMultipartUpload"): "ends an own upload when another publisher of the same was faster",
    (Duty.APPROVER, "s3:AbortMultipartUpload"): "ends an own copy that broke off",
    (Duty.DEPLOYER, "dynamodb:DeleteItem"): "gives up the claim to a notice that could not be sent",
}
"""What a policy allows although no command of its duty calls it here, and why."""
AUDIT_LOGS = ("ListAuditLogs", "ReadAuditLogs", "DecryptAuditLogs")
"""Statements for what is looked at without `serveml`."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RightsWorld]:
    """After every command has run once."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("SERVEML_ENV", "SERVEML_TRUSTED_KEYS", "SERVEML_PROMETHEUS", "SERVEML_SLACK_WEBHOOK"):
            patch.delenv(name, raising=False)
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        made = RightsWorld(tmp_path_factory.mktemp("rights"), patch)
        live(made)
        yield made


def _requests(world: RightsWorld, command: str) -> Iterator[Request]:
    for call in world.calls[command]:
        yield from requests(call, world.account)


def refusals(world: RightsWorld, command: str, duty: Duty) -> list[Request]:
    return [request for request in _requests(world, command) if not is_allowed([POLICIES[duty]], request)]


def test_every_command_that_works_on_an_account_belongs_to_a_duty_and_was_run(world: RightsWorld) -> None:
    known = {found.name.removeprefix("serveml ") for found in reference.commands() if not found.is_group}
    on_accounts = {name for name in known - set(PODS_OWN) if not name.startswith("local ")}
    assert on_accounts == set(COMMANDS) == set(world.calls)
    assert all(world.calls.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_duty_allows_every_call_of_its_commands_and_no_other_does(world: RightsWorld, command: str) -> None:
    for duty in Duty:
        refused = refusals(world, command, duty)
        if duty in COMMANDS[command]:
            assert not refused, f"{duty} cannot run {command}: {refused[:3]}"
        elif (command, duty) not in NOT_KEPT_APART:
            assert refused, f"{duty} can run {command}, which is the duty of {COMMANDS[command]}"


@pytest.mark.parametrize(("command", "duty"), NOT_KEPT_APART)
def test_what_is_said_not_to_be_kept_apart_is_still_not(world: RightsWorld, command: str, duty: Duty) -> None:
    assert not refusals(world, command, duty)


@pytest.mark.parametrize("duty", Duty)
def test_a_duty_allows_no_action_that_none_of_its_commands_calls(world: RightsWorld, duty: Duty) -> None:
    called = {r.action for command, who in COMMANDS.items() if duty in who for r in _requests(world, command)}
    granted = {
        action
        for statement in POLICIES[duty]["Statement"]
        if statement["Effect"] == "Allow" and statement["Sid"] not in AUDIT_LOGS
        for action in as_list(statement["Action"])
    }
    excused = {action for excused, action in UNCALLED if excused is duty}
    assert granted - called == excused


@pytest.mark.parametrize("duty", Duty)
def test_every_statement_is_needed_by_some_call(world: RightsWorld, duty: Duty) -> None:
    asked = [request for command, who in COMMANDS.items() if duty in who for request in _requests(world, command)]
    for statement in POLICIES[duty]["Statement"]:
        excused = statement["Sid"] in AUDIT_LOGS or all((duty, action) in UNCALLED for action in statement["Action"])
        if statement["Effect"] == "Allow" and not excused:
            assert any(is_allowed([{"Statement": [statement]}], request) for request in asked), statement["Sid"]


def test_an_auditor_is_allowed_to_read_alone() -> None:
    reading = ("*:Get*", "*:List*", "dynamodb:Query", "dynamodb:Scan", "kms:Decrypt")
    actions = {action for statement in POLICIES[Duty.AUDITOR]["Statement"] for action in statement["Action"]}
    assert not [action for action in actions if not any(fnmatchcase(action, pattern) for pattern in reading)]


# The same, with each call refused where it is made


def test_a_publisher_gets_nothing_past_staging(world: RightsWorld) -> None:
    before = world.objects("production")
    publisher = [POLICIES[Duty.PUBLISHER]]
    world.publish(Version(5, 0, 0), "--to", "production", "--yes", policies=publisher, exits=Exit.AWAY)
    world.publish(Version(5, 0, 0), policies=publisher)
    for command in ("verify", "smoke"):
        world.run("model", command, NAME, "5.0.0", policies=publisher)
    # IAM does not keep the publisher from the record. What stands there brings no byte any further.
    world.run("model", "approve", NAME, "5.0.0", "--note", "mine", "--yes", by="somebody else", policies=publisher)
    refused = world.run("model", "promote", NAME, "5.0.0", "--yes", policies=publisher, exits=Exit.AWAY)
    assert "AccessDenied" in refused.stderr or "Forbidden" in refused.stderr
    assert world.objects("production") == before


def test_an_approver_brings_to_production_what_staging_holds_and_publishes_nothing(world: RightsWorld) -> None:
    approver, both = [POLICIES[Duty.APPROVER]], [POLICIES[Duty.PUBLISHER], POLICIES[Duty.APPROVER]]
    world.publish(Version(6, 0, 0))
    for command in (("verify",), ("smoke",), ("approve", "--note", "good", "--yes"), ("promote", "--copy", "--yes")):
        world.run("model", command[0], NAME, "6.0.0", *command[1:], policies=approver)
    for bucket in ("production", "staging"):
        before = world.objects(bucket)
        for policies in (approver, both):
            world.publish(Version(7, 0, 0), "--to", bucket, "--yes", policies=policies, exits=Exit.AWAY)
        assert world.objects(bucket) == before


def test_who_may_not_leaves_everything_as_it_was(world: RightsWorld) -> None:
    before = world.items(TABLE), world.items(KEYS), world.objects("production"), world.objects("staging")
    attempts = (
        (Duty.AUDITOR, ("model", "verify", NAME, "1.0.0")),
        (Duty.AUDITOR, ("rollback", NAME, "--yes")),
        (Duty.DEPLOYER, ("key", "create", "bob", "--any-model", "--yes")),
        (Duty.DEPLOYER, ("model", "approve", NAME, "2.0.0", "--note", "go", "--yes")),
        (Duty.KEY_ADMIN, ("deployment", "set", NAME, "1.0.0=100", "--yes")),
        (Duty.CUSTODIAN, ("data", "delete", "--user", "bob")),
        (Duty.DATA_OFFICER, ("model", "pull", NAME, "1.0.0", str(world.folder / "none"))),
    )
    for duty, said in attempts:
        result = world.run(*said, by="eve", policies=[POLICIES[duty]], exits=Exit.AWAY)
        assert "Traceback" not in result.output
        assert len(result.stderr.strip().splitlines()) == 1
    assert (world.items(TABLE), world.items(KEYS), world.objects("production"), world.objects("staging")) == before


def test_where_no_approval_is_needed_publishers_publish_to_where_pods_read(world: RightsWorld) -> None:
    policies = {duty: document(duty, reach(Approval.NOT_NEEDED)) for duty in Duty}
    world.publish(Version(8, 0, 0), env="dev", policies=[policies[Duty.PUBLISHER]])
    world.run("deployment", "create", "trial", "8.0.0", "--model", NAME, env="dev", policies=[policies[Duty.DEPLOYER]])


def test_the_policies_ask_for_the_approval_that_the_commands_ask_for() -> None:
    for environment in ENVIRONMENTS:
        approval = approval_in(environment)
        assert needs_evidence(environment) is (approval is not Approval.NOT_NEEDED)
        assert needs_four_eyes(environment) is (approval is Approval.BY_ANOTHER)


def test_the_table_in_the_documentation_is_made_of_the_same_data() -> None:
    assert duties.table() in DOCS.read_text(), f"docs/lifecycle.md is to hold:\n{duties.table()}"
