"""Commands for deployments: what they change, say and end with, and that a refusal changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.deployment import Weight
from ops.canary import weights
from ops.canary.actions import Action
from ops.commands.shown import Exit
from tests.lifecycle.canary_world import NAME, World
from tests.lifecycle.deployment_commands import platform_of_a_deployment, refused, serveml
from tests.lifecycle.table import TABLE, V1, V2


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with platform_of_a_deployment(tmp_path, monkeypatch) as made:
        yield made


# Deployments


def test_a_deployment_is_made_listed_and_shown(world: World) -> None:
    made = json.loads(serveml("deployment", "create", "fraud", "1.0.0", "--model", NAME, "--json").stdout)
    assert (made["deployment"], made["model"], made["revision"]) == ("fraud", NAME, 1)
    assert made["weights"] == [{"version": "1.0.0", "percent": 100}]
    listed = json.loads(serveml("deployment", "list", "--json").stdout)["deployments"]
    assert [row["deployment"] for row in listed] == [NAME, "fraud"]
    shown = json.loads(serveml("deployment", "show", NAME, "--json").stdout)
    assert [(worker["pod"], worker["loaded"]) for worker in shown["workers"]] == [
        ("pod-a", ["1.0.0"]),
        ("pod-b", ["1.0.0"]),
    ]
    assert "fraud" in serveml("deployment", "list").stdout
    assert "churn serves 1.0.0=100" in serveml("deployment", "show", NAME).stdout


def test_what_cannot_be_deployed_is_refused(world: World) -> None:
    assert "exists" in refused(world, "deployment", "create", NAME, "1.0.0")
    assert "does not hold it" in refused(world, "deployment", "create", "other", "1.0.0")
    assert "not a semantic version" in refused(world, "deployment", "create", "other", "newest")
    assert "there is no deployment 'other'" in refused(world, "deployment", "show", "other")
    assert "there is no deployment 'other'" in refused(world, "deployment", "history", "other")
    assert "--env 'qa' is none of" in refused(world, "deployment", "list", "--env", "qa")


def test_shares_by_hand_come_once_every_worker_holds_the_version(world: World) -> None:
    seen: list[tuple[int, int | None]] = []

    def look() -> None:
        record = world.current()
        seen.append((record.percent_of(V2), record.shadow.percent if record.shadow else None))

    world.on_wait = look
    made = json.loads(serveml("deployment", "set", NAME, "1.0.0=90", "2.0.0=10", "--json").stdout)
    assert made["weights"] == [{"version": "2.0.0", "percent": 10}, {"version": "1.0.0", "percent": 90}]
    assert (made["stable"], made["shadow"]) == ("1.0.0", None)
    assert seen == [(0, weights.HOLDING_PERCENT)]
    assert world.actions() == [Action.CREATED, Action.HELD, Action.WEIGHTS_SET]


def test_a_version_that_is_not_loaded_in_time_leaves_the_weights(world: World) -> None:
    before = world.current().weights

    def refuse() -> None:
        for pod in world.pods:
            world.unloadable[pod] = V2

    refuse()
    result = serveml("deployment", "set", NAME, "1.0.0=90", "2.0.0=10", "--hold-seconds", "20")
    assert result.exit_code == Exit.REFUSED
    assert "churn keeps its weights, after 20 s: 2 of 2 workers do not hold 2.0.0" in result.stderr
    record = world.current()
    assert (record.weights, record.shadow, record.stable) == (before, None, V1)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        (["1.0.0=90", "2.0.0=20"], "which make 110: let them make 100"),
        (["1.0.0=100", "1.0.0=0"], "each once"),
        (["1.0.0"], "'1.0.0' is no share: write VERSION=PERCENT"),
        (["1.0.0=50.5", "2.0.0=49.5"], "'50.5' is no whole number of percent"),
        (["2.0.0=50", "3.0.0=50"], "no pod holds 2.0.0 and 3.0.0: give one of them a share first"),
        (["1.0.0=50", "9.0.0=50"], "churn 9.0.0 may not be given traffic"),
    ],
)
def test_shares_that_cannot_be_are_refused(world: World, shares: list[str], said: str) -> None:
    assert said in refused(world, "deployment", "set", NAME, *shares)


def test_shares_are_not_set_beside_a_canary(world: World) -> None:
    world.start()
    said = refused(world, "deployment", "set", NAME, "1.0.0=100")
    assert "abort the canary before weights are set by hand" in said


def test_the_history_tells_who_did_what_and_why(world: World) -> None:
    serveml("deployment", "set", NAME, "2.0.0=100", "--reason", "trial over")
    found = json.loads(serveml("deployment", "history", NAME, "--most", "2", "--json").stdout)["changes"]
    assert [(change["action"], change["by"]) for change in found] == [("weights set", "ada"), ("held", "ada")]
    assert found[0]["reason"] == "trial over"
    assert "trial over" in serveml("deployment", "history", NAME).stdout


# Rolling back


def test_a_rollback_is_one_write_and_says_when_pods_follow(world: World) -> None:
    serveml("deployment", "set", NAME, "2.0.0=100")
    world.report()
    before = world.current()
    result = serveml("rollback", NAME, "--reason", "complaints", "--json")
    assert result.exit_code == Exit.DONE
    said = json.loads(result.stdout)
    record = world.current()
    assert (record.revision, record.stable, record.weights) == (
        before.revision + 1,
        V1,
        (Weight(version=V1, percent=100),),
    )
    assert (said["before"], said["workers"], said["behind"]) == ("2.0.0", 2, [])
    assert 0 < said["followed_after_seconds"] <= 2
    newest = next(world.records.history(NAME))
    assert (newest.action, newest.by, newest.reason) == ("rolled back", "ada", "complaints")


def test_a_rollback_that_a_worker_does_not_follow_is_told_after_a_while(world: World) -> None:
    serveml("deployment", "set", NAME, "2.0.0=100")
    world.report()
    world.stuck.add("pod-b")
    result = serveml("rollback", NAME, "--follow-seconds", "10")
    assert result.exit_code == Exit.AWAY
    assert "is written, but was not followed in 10 s by pod-b/0" in result.stderr
    assert world.current().stable == V1


def test_a_rollback_ends_a_canary(world: World) -> None:
    world.start()
    assert serveml("rollback", NAME).exit_code == Exit.DONE
    assert (world.current().canary, world.current().stable) == (None, V1)


def test_there_may_be_nothing_to_go_back_to(world: World) -> None:
    assert "served nothing before 1.0.0" in refused(world, "rollback", NAME)
    assert "there is no deployment" in refused(world, "rollback", "other")


def test_production_asks_for_what_was_verified_and_approved(world: World) -> None:
    said = ("canary", "start", NAME, "2.0.0", "--no-follow", "--env", "prod")
    assert "was not confirmed: say --yes" in refused(world, *said)
    assert "churn 2.0.0 may not be given traffic" in refused(world, *said, "--yes")
    assert "was not confirmed" in refused(world, "rollback", NAME, "--env", "prod")
    assert "was not confirmed" in refused(world, "deployment", "set", NAME, "1.0.0=100", "--env", "prod")


def test_a_table_that_is_away_is_one_line(world: World) -> None:
    world.dynamodb.delete_table(TableName=TABLE)
    for said in (
        ("deployment", "list"),
        ("deployment", "create", "fraud", "1.0.0", "--model", NAME),
        ("canary", "start", NAME, "2.0.0", "--no-follow"),
        ("rollback", NAME),
    ):
        result = serveml(*said)
        assert result.exit_code == Exit.AWAY
        assert "ResourceNotFoundException" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
