"""Commands for canaries: how a trial ends, what is shown of it, and that a refusal changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ops.canary import byhand, weights
from ops.canary.actions import Action
from ops.commands.shown import Exit
from ops.rollout.lease import Leases
from tests.lifecycle.canary_world import NAME, World
from tests.lifecycle.deployment_commands import QUICK, platform_of_a_deployment, refused, serveml
from tests.lifecycle.table import TABLE, V1, V2


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with platform_of_a_deployment(tmp_path, monkeypatch) as made:
        yield made


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
