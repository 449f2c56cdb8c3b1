"""A canary and the deletion of its version in the same moment: whichever comes second learns of the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from typer.testing import CliRunner

from contract import versions
from contract.deployment import Deployment, Gates, Shadow, Stage
from contract.objects import Version
from contract.versions import Kind, Withdrawn
from ops.canary import byhand, weights
from ops.commands import canary as commands
from ops.commands import deployment_options
from ops.models.collect import REASON, Collected, Rules, collect, plan
from ops.platform import Platform
from ops.rollout import transitions
from ops.rollout.records import Records
from ops.rollout.withdrawal import VersionWithdrawn
from tests.lifecycle.table import TABLE
from tests.lifecycle.versions.collecting import LATER
from tests.lifecycle.versions.world import APPROVER, NAME, NOW, OUTPUTS, V1, V2, V3, World

DEPLOYMENT = "churn-eu"
STAGES = (Stage(percent=10), Stage(percent=100))
# The one version that no deployment names and that is not among the newest.
OLD, SERVING, NEWEST = V1, V2, V3


@pytest.fixture
def serving(world: World) -> World:
    """A deployment serves one of three versions, and the oldest is old enough to go."""
    for version in (OLD, SERVING, NEWEST):
        world.publish(version, kind=Kind.PRODUCTION)
    world.deploy(SERVING)
    return world


def gc(world: World, dynamodb: Any = None) -> Collected:
    platform = Platform("prod", OUTPUTS)
    platform.dynamodb = dynamodb or world.platform.dynamodb
    return collect(platform, plan(world.platform, NAME, Rules(keep=1), now=lambda: LATER), by="grace")


def start(
    world: World, version: Version = OLD, *, may_serve: byhand.MayServe = lambda _, __: None, dynamodb: Any = None
) -> Deployment:
    records = Records(dynamodb or world.platform.dynamodb, TABLE, pause=lambda _: None)
    return byhand.start(
        records,
        DEPLOYMENT,
        version,
        stages=STAGES,
        gates=Gates(),
        may_serve=may_serve,
        by="ada",
        reason="",
        allow_older=True,
        clock=lambda: NOW,
    )


class Before:
    """A client that lets something happen right before its next call of one kind."""

    def __init__(self, client: Any, name: str, happens: Callable[[], object]) -> None:
        self._client, self._name, self._happens = client, name, [happens]

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name != self._name:
            return call

        def preceded(*given: Any, **arguments: Any) -> Any:
            while self._happens:
                self._happens.pop()()
            return call(*given, **arguments)

        return preceded


def gone(world: World, version: Version = OLD) -> bool:
    return world.files(Kind.PRODUCTION, version=version) == {}


REFUSED = rf"churn 1\.0\.0 may not be given traffic: grace withdrew it \({REASON}\): name another version"


def test_a_canary_does_not_begin_on_a_version_deleted_after_it_was_found_good(serving: World) -> None:
    before = serving.deployments.get(DEPLOYMENT)

    def good_a_moment_ago(model: str, version: Version) -> None:
        gc(serving)

    with pytest.raises(VersionWithdrawn, match=REFUSED):
        start(serving, may_serve=good_a_moment_ago)
    assert serving.deployments.get(DEPLOYMENT) == before
    assert gone(serving)


def test_a_canary_does_not_begin_on_a_version_deleted_between_its_last_look_and_its_write(serving: World) -> None:
    before = serving.deployments.get(DEPLOYMENT)
    collected: list[Collected] = []
    client = Before(serving.platform.dynamodb, "transact_write_items", lambda: collected.append(gc(serving)))
    with pytest.raises(VersionWithdrawn, match=REFUSED):
        start(serving, dynamodb=client)
    assert [doomed.version for doomed in collected[0].deleted] == [OLD]
    assert serving.deployments.get(DEPLOYMENT) == before
    assert len(list(serving.deployments.history(DEPLOYMENT))) == 1


def test_a_version_whose_canary_began_first_keeps_its_files_and_is_open_again(serving: World) -> None:
    began: list[Deployment] = []
    done = gc(serving, Before(serving.platform.dynamodb, "put_item", lambda: began.append(start(serving))))
    assert [kept.reasons for kept in done.spared] == [("named by the deployment default/churn-eu",)]
    assert done.deleted == ()
    assert serving.deployments.get(DEPLOYMENT) == began[0]
    assert not gone(serving)
    assert serving.record(OLD).withdrawn is None


def test_once_the_deletion_has_withdrawn_the_version_no_canary_begins(serving: World) -> None:
    refused: list[str] = []

    def late() -> None:
        with pytest.raises(VersionWithdrawn) as caught:
            start(serving)
        refused.append(str(caught.value))

    # The look at the deployments is the only one that reads page by page, once the version is withdrawn.
    done = gc(serving, Before(serving.platform.dynamodb, "get_paginator", late))
    assert len(refused) == 1
    assert [doomed.version for doomed in done.deleted] == [OLD]
    assert gone(serving)


def test_the_command_says_it_in_one_line_and_changes_nothing(serving: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def good_a_moment_ago(*_: object) -> None:
        gc(serving)

    monkeypatch.setattr(deployment_options, "require_promotable", good_a_moment_ago)
    monkeypatch.setenv("SERVEML_OPERATOR", APPROVER)
    arguments = ["start", DEPLOYMENT, str(OLD), "--allow-older", "--no-follow", "--yes", "--env", "prod"]
    result = CliRunner().invoke(commands.app, arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "grace withdrew it" in result.stderr
    assert serving.deployments.get(DEPLOYMENT).canary is None


def test_neither_does_a_deployment_begin_on_such_a_version_nor_one_that_shares_out_by_hand(serving: World) -> None:
    gc(serving)
    records = serving.deployments
    with pytest.raises(VersionWithdrawn, match=REFUSED):
        weights.create(records, "other", OLD, model=NAME, may_serve=lambda _, __: None, by="ada", reason="")
    assert [record.deployment_id for record in records.all()] == [DEPLOYMENT]
    held = partial(transitions.documents.replace, shadow=Shadow(version=OLD, percent=1))
    with pytest.raises(VersionWithdrawn, match=REFUSED):
        records.change(DEPLOYMENT, held, by="ada", action="held", reason="")
    assert records.get(DEPLOYMENT).shadow is None


def test_a_version_without_a_record_is_named_as_before(serving: World) -> None:
    unknown = Version(2, 0, 0)
    assert start(serving, unknown).versions == (SERVING, unknown)


def test_a_version_that_is_registered_in_the_moment_it_is_named_is_looked_at_again(serving: World) -> None:
    unknown = Version(2, 0, 0)
    client = Before(
        serving.platform.dynamodb,
        "transact_write_items",
        lambda: serving.publish(unknown, kind=Kind.PRODUCTION),
    )
    seen: Sequence[Version] = start(serving, unknown, dynamodb=client).versions
    assert unknown in seen


def test_evidence_that_comes_in_the_same_moment_is_in_nobodys_way(serving: World) -> None:
    client = Before(serving.platform.dynamodb, "transact_write_items", lambda: serving.verified(NEWEST))
    assert start(serving, NEWEST, dynamodb=client).canary is not None
    assert serving.record(NEWEST).verified


def test_what_serves_already_may_be_withdrawn_without_being_in_the_way_of_a_change(serving: World) -> None:
    start(serving, NEWEST)
    for version in (SERVING, NEWEST):
        serving.command("withdraw", NAME, str(version), "--reason", "leaks", "--yes")
    entered = serving.deployments.change(
        DEPLOYMENT, lambda record: transitions.enter_stage(record, 0, NOW), by="ada", action="entered", reason=""
    )
    assert entered.percent_of(NEWEST) == 10
    back = weights.roll_back(serving.deployments, DEPLOYMENT, by="ada", reason="leaks")
    assert (back.canary, back.stable) == (None, SERVING)


def test_a_version_that_somebody_withdrew_meanwhile_is_not_opened_again(serving: World) -> None:
    theirs = Withdrawn(at=NOW, by="eve", reason="leaks")

    def meanwhile() -> None:
        start(serving)
        serving.records.change(NAME, OLD, lambda record: versions.replace(record, withdrawn=theirs))

    done = gc(serving, Before(serving.platform.dynamodb, "put_item", meanwhile))
    assert [kept.version for kept in done.spared] == [OLD]
    assert serving.record(OLD).withdrawn == theirs
