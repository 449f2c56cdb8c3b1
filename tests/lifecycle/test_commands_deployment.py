"""Commands for deployments and canaries: what they change, say and end with, and that a refusal changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import typer
from click.testing import Result
from moto import mock_aws
from typer.testing import CliRunner

from contract.deployment import Weight
from contract.objects import CHECKSUMS_FILE, Version, version_prefix
from ops import platform as platforms
from ops.canary import byhand, weights, wiring
from ops.canary.actions import Action
from ops.canary.measuring import Unmeasured
from ops.commands import canary, deployment, rollback
from ops.commands.shown import Exit
from ops.platform import Outputs
from ops.rollout.lease import Leases
from tests.lifecycle.canary_world import NAME, World
from tests.lifecycle.table import REGION, TABLE, V1, V2, V3, create_table

BUCKET = "models"
QUICK = ("--step-seconds", "10", "--min-requests", "50", "--prometheus", "http://127.0.0.1:9")

app = typer.Typer()
app.add_typer(canary.app, name="canary")
app.add_typer(deployment.app, name="deployment")
app.command("rollback")(rollback.rollback)


class Figures:
    """In place of Prometheus: the world's own figures."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, *asked: Any) -> Any:
        return self._world.measure(*asked)

    def probe(self, *_: Any) -> None:
        if self._world.prometheus_away:
            raise Unmeasured("Prometheus at http://127.0.0.1:9 cannot be reached")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A platform whose time the test moves, with three published versions of a model that is deployed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("SERVEML_ENV", "SERVEML_PROMETHEUS", "SERVEML_SLACK_WEBHOOK", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SERVEML_OPERATOR", "ada")
    monkeypatch.setattr(platforms, "FOLDER", tmp_path)
    outputs = Outputs(
        regions=(REGION,),
        models_buckets={REGION: BUCKET},
        staging_buckets={REGION: "staging"},
        deployments_table=TABLE,
        api_keys_table="keys",
    )
    for environment in ("local", "prod"):
        platforms.keep(environment, outputs)
    with mock_aws():
        client = boto3.client("dynamodb", region_name=REGION)
        create_table(client)
        s3 = boto3.client("s3", region_name=REGION)
        for bucket in (BUCKET, "staging"):
            s3.create_bucket(Bucket=bucket)
        for version in (V1, V2, V3, Version(0, 9, 0)):
            s3.put_object(Bucket=BUCKET, Key=f"{version_prefix(NAME, version)}{CHECKSUMS_FILE}", Body=b"{}")
        made = World(client)
        made.now = datetime.now(UTC)
        made.report()
        monkeypatch.setattr(byhand, "datetime", SimpleNamespace(now=lambda _: made.now))
        for module in (wiring, deployment, rollback, canary):
            monkeypatch.setattr(module, "time", SimpleNamespace(sleep=made.wait))
        monkeypatch.setattr(wiring, "figures", lambda *_, **__: Figures(made))
        yield made


def serveml(*said: str) -> Result:
    return CliRunner().invoke(app, list(said), catch_exceptions=False)


def refused(world: World, *said: str, code: int = Exit.REFUSED) -> str:
    """The one line that a command said, which changed nothing."""
    before = world.dynamodb.scan(TableName=TABLE)["Items"]
    result = serveml(*said)
    assert result.exit_code == code, result.output
    assert world.dynamodb.scan(TableName=TABLE)["Items"] == before
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


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


# Canaries


def test_a_good_version_is_driven_to_its_end(world: World) -> None:
    result = serveml("canary", "start", NAME, "2.0.0", "--steps", "10,100", *QUICK, "--json")
    assert result.exit_code == Exit.DONE, result.output
    said = json.loads(result.stdout)
    assert (said["ended"], said["version"], said["by"]) == ("passed", "2.0.0", "ada")
    assert world.current().stable == V2


def test_a_bad_version_ends_the_command_with_a_code_of_its_own(world: World) -> None:
    world.error_shares[V2] = 0.5
    result = serveml("canary", "start", NAME, "2.0.0", *QUICK)
    assert result.exit_code == Exit.ROLLED_BACK
    assert "canary of churn with 2.0.0 withdrawn by ada: 2.0.0: errors at 10 percent:" in " ".join(
        result.stdout.split()
    )
    assert (world.current().stable, world.current().canary) == (V1, None)


def test_a_canary_that_nobody_drives_is_gone_on_with(world: World) -> None:
    begun = serveml("canary", "start", NAME, "2.0.0", "--no-follow", "--steps", "100", "--step-seconds", "10", "--json")
    assert json.loads(begun.stdout)["ended"] == "on trial"
    shown = json.loads(serveml("canary", "status", NAME, "--json").stdout)
    assert (shown["canary"]["version"], shown["canary"]["stage"], shown["canary"]["stage_began_at"]) == (
        "2.0.0",
        1,
        None,
    )
    assert "2.0.0 is on trial, and gets 100% once" in serveml("canary", "status", NAME).stdout
    assert serveml("canary", "run", NAME, "--prometheus", "http://127.0.0.1:9").exit_code == Exit.DONE
    assert world.current().stable == V2
    again = serveml("canary", "run", NAME, "--prometheus", "http://127.0.0.1:9", "--json")
    assert (again.exit_code, json.loads(again.stdout)["ended"]) == (Exit.DONE, "passed")


def test_a_canary_is_watched_to_its_end(world: World) -> None:
    world.start()

    def abort() -> None:
        if world.current().canary is not None and world.now - began > timedelta(seconds=6):
            byhand.abort(world.records, NAME, by="grace", reason="enough")

    began = world.now
    world.on_wait = abort
    result = serveml("canary", "status", NAME, "--watch")
    assert result.exit_code == Exit.DONE
    assert "canary aborted by grace: enough" in result.stdout


def test_the_figures_of_a_stage_are_shown_where_prometheus_is_named(world: World) -> None:
    world.start()
    record = world.current()
    world.records.change(
        NAME, lambda now: weights.transitions.enter_stage(now, 0, world.now), by="c", action="x", reason=""
    )
    world.wait(10)
    shown = json.loads(serveml("canary", "status", NAME, "--prometheus", "http://127.0.0.1:9", "--json").stdout)
    assert shown["figures"]["candidate"] == {
        "requests": 100,
        "errors": 0,
        "p95_ms": 40.0,
        "slow": shown["figures"]["candidate"]["slow"],
    }
    assert shown["figures"]["stable"]["requests"] == 900
    assert record.canary is not None


def test_a_version_is_promoted_by_hand_where_every_worker_holds_it(world: World) -> None:
    world.start()
    assert "2 of 2 workers do not hold 2.0.0" in refused(world, "canary", "promote", NAME, "--reason", "hotfix")
    world.report()
    result = serveml("canary", "promote", NAME, "--reason", "hotfix")
    assert result.exit_code == Exit.DONE
    assert (world.current().stable, world.current().previous) == (V2, V1)
    assert world.actions()[-1] == Action.CANARY_PROMOTED


def test_a_canary_is_aborted_by_hand(world: World) -> None:
    world.start()
    assert serveml("canary", "abort", NAME, "--reason", "sales said so").exit_code == Exit.DONE
    newest = next(world.records.history(NAME))
    assert (newest.action, newest.reason, newest.by) == ("canary aborted", "sales said so", "ada")
    assert "tries no version" in refused(world, "canary", "abort", NAME, "--reason", "again")
    assert "tries no version" in refused(world, "canary", "promote", NAME, "--reason", "again")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("other", "2.0.0"), "there is no deployment 'other'"),
        ((NAME, "1.0.0"), "churn serves 1.0.0 already"),
        ((NAME, "0.9.0"), "0.9.0 is older than 1.0.0"),
        ((NAME, "9.0.0"), "churn 9.0.0 may not be given traffic"),
        ((NAME, "2"), "not a semantic version"),
        ((NAME, "2.0.0", "--steps", "50,10,100"), "let them rise, and end with 100"),
        ((NAME, "2.0.0", "--steps", "10,50"), "let them rise, and end with 100"),
        ((NAME, "2.0.0", "--steps", "ten,100"), "'ten' is no whole number of percent"),
        ((NAME, "2.0.0", "--steps", "0,100"), "a step gives at least 1 percent"),
        ((NAME, "2.0.0", "--shadow-percent", "101"), "--shadow-percent 101: 0 (no copies) to 100"),
        ((NAME, "2.0.0", "--max-error-percent", "0"), "--max-error-percent 0: more than 0"),
        ((NAME, "2.0.0", "--min-requests", "0"), "silence proves nothing"),
        ((NAME, "2.0.0", "--max-p95-ms", "nan"), "--max-p95-ms nan"),
        ((NAME, "2.0.0", "--slack-webhook", "/nowhere/hook"), "no Slack webhook can be read"),
    ],
)
def test_a_canary_that_cannot_be_is_refused(world: World, said: tuple[str, ...], why: str) -> None:
    assert why in refused(world, "canary", "start", *said, "--prometheus", "http://127.0.0.1:9")


def test_an_older_version_is_tried_where_that_is_meant(world: World) -> None:
    said = ("canary", "start", NAME, "0.9.0", "--allow-older", "--no-follow")
    assert serveml(*said).exit_code == Exit.DONE


def test_a_canary_beside_a_canary_or_beside_a_split_is_refused(world: World) -> None:
    serveml("deployment", "set", NAME, "1.0.0=90", "2.0.0=10")
    assert "splits its traffic by hand" in refused(world, "canary", "start", NAME, "3.0.0", "--no-follow")
    serveml("deployment", "set", NAME, "1.0.0=100")
    world.start()
    assert "tries 2.0.0 already" in refused(world, "canary", "start", NAME, "3.0.0", "--no-follow")


def test_a_canary_needs_prometheus_before_anything_is_changed(world: World) -> None:
    assert "say --prometheus URL" in refused(world, "canary", "start", NAME, "2.0.0")
    world.prometheus_away = True
    said = refused(world, "canary", "start", NAME, "2.0.0", *QUICK, code=Exit.AWAY)
    assert "nothing was changed, since the canary could not be judged" in said


def test_a_controller_whose_lease_was_taken_says_so(world: World) -> None:
    world.start()

    def sleep() -> None:
        """Another one takes the lease, as where this one was stopped for too long."""
        world.on_wait = lambda: None
        other = Leases(world.dynamodb, TABLE, "default", seconds=0)
        while other.acquire(NAME) is None:
            pass

    world.on_wait = sleep
    result = serveml("canary", "run", NAME, "--prometheus", "http://127.0.0.1:9")
    assert result.exit_code == Exit.REFUSED
    assert "another controller has taken over" in result.stderr
    assert world.current().canary is not None


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
