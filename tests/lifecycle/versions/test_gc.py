"""Garbage collection: what stays and why, what goes, and what stops it before anything does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contract.deployment import Gates, Shadow, Stage
from contract.objects import Version
from contract.versions import Kind
from ops.models import collect as collecting
from ops.models.collect import InvalidRule, Rules, plan
from ops.rollout import transitions
from tests.lifecycle.versions.collecting import EVERY, going, planned, published, reasons, versions_seen
from tests.lifecycle.versions.world import AWAY, HOME, NAME, NOW, OUTPUTS, World


def test_the_newest_stay_and_the_rest_goes(world: World) -> None:
    published(world)
    found = planned(world, keep=5)
    assert going(found) == ["1.0.0", "1.1.0"]
    assert reasons(found, "1.2.0") == ("among the newest",)


def test_young_versions_stay(world: World) -> None:
    published(world)
    found = plan(world.platform, NAME, Rules(keep=1), now=lambda: datetime.now(UTC))
    assert found.doomed == ()
    assert reasons(found, "1.0.0") == ("younger than 30 days",)


def test_whatever_a_deployment_names_stays_for_every_tenant(world: World) -> None:
    published(world)
    record = world.deploy(EVERY[0])
    record = transitions.start_canary(
        record,
        EVERY[1],
        canary_id="c",
        stages=(Stage(percent=10), Stage(percent=100)),
        gates=Gates(),
        by="ada",
        now=NOW,
    )
    record = transitions.documents.replace(record, previous=EVERY[2], shadow=Shadow(version=EVERY[3], percent=5))
    world.deployments.change("churn-eu", lambda _: record, by="ada", action="test", reason="test")
    world.deploy(EVERY[4], tenant="acme")
    world.deploy(EVERY[5], tenant="other", model="fraud")
    found = planned(world)
    assert going(found) == ["1.5.0"]
    for version in EVERY[:4]:
        assert reasons(found, str(version)) == ("named by the deployment default/churn-eu",)
    assert reasons(found, "1.4.0") == ("named by the deployment acme/churn-eu",)


def test_an_approved_version_waits_for_its_promotion(world: World) -> None:
    world.approved(EVERY[0])
    published(world, *EVERY[1:])
    found = planned(world)
    assert reasons(found, "1.0.0") == ("approved, and not promoted yet",)
    assert "1.1.0" in going(found)


def test_the_highest_release_stays_behind_newer_trials_of_the_next(world: World) -> None:
    published(world, Version(1, 0, 0), Version.parse("2.0.0-rc.1"), Version.parse("2.0.0-rc.2"))
    found = planned(world)
    assert going(found) == ["2.0.0-rc.1"]
    assert reasons(found, "1.0.0") == ("the highest release, which pods without a deployment follow",)


def test_a_version_that_a_setting_pins_can_be_spared(world: World) -> None:
    published(world)
    assert reasons(planned(world, spare=frozenset({EVERY[0]})), "1.0.0") == ("spared",)


def test_nothing_goes_from_a_bucket_with_object_lock(world: World) -> None:
    published(world)
    bucket = world.bucket(Kind.PRODUCTION, AWAY)
    world.remove_bucket(Kind.PRODUCTION, AWAY)
    world.s3(AWAY).create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": AWAY},
        ObjectLockEnabledForBucket=True,
    )
    world.replicate(EVERY[0])
    found = planned(world)
    assert reasons(found, "1.0.0") == ("production in us-west-2 has object lock",)
    assert "1.1.0" in going(found)


def test_looking_changes_nothing(world: World) -> None:
    published(world)
    before = world.table_items()
    answer = world.answer("gc", NAME, "--keep", "1", "--older-than", "0m")
    assert (answer["deleted"], [entry["version"] for entry in answer["versions"]]) == (
        False,
        [str(version) for version in EVERY[:-1]],
    )
    assert versions_seen(world) == {str(version) for version in EVERY}
    assert world.table_items() == before


def test_what_goes_goes_in_every_region_and_its_number_is_not_used_again(world: World) -> None:
    published(world)
    for version in EVERY:
        world.replicate(version)
    answer = world.answer("gc", NAME, "--keep", "5", "--older-than", "0m", "--yes")
    assert answer["deleted"]
    for region in (HOME, AWAY):
        assert versions_seen(world, region) == {str(version) for version in EVERY[2:]}
        assert world.files(Kind.PRODUCTION, region, EVERY[0]) == {}
    withdrawn = world.record(EVERY[0]).withdrawn
    assert withdrawn is not None
    assert withdrawn.reason == collecting.REASON
    rows = world.answer("list", NAME)["versions"]
    assert [row["version"] for row in rows] == [str(version) for version in reversed(EVERY[2:])]
    gone = world.answer("list", NAME, "--all")["versions"]
    assert [row["state"] for row in gone][-2:] == ["deleted", "deleted"]


def test_it_says_when_deleted_files_are_gone_for_good(world: World) -> None:
    published(world, *EVERY[:2])
    world.replicate(EVERY[0])
    world.publish(EVERY[0])
    world.s3().put_bucket_lifecycle_configuration(
        Bucket=world.bucket(Kind.PRODUCTION),
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "housekeeping",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                }
            ]
        },
    )
    world.s3().put_bucket_versioning(Bucket=world.bucket(), VersioningConfiguration={"Status": "Suspended"})
    said = {f"{place}": retention.explain() for place, retention in planned(world).retentions}
    assert said["production in us-east-1"].endswith("gone for good 30 days after")
    assert said["production in us-west-2"].endswith("since no lifecycle rule expires them")
    assert said["staging in us-east-1"].startswith("gone for good at once")


def test_a_deployment_that_cannot_be_read_stops_it_before_anything_is_deleted(world: World) -> None:
    published(world, *EVERY[:2])
    world.deploy(EVERY[0])
    world.platform.dynamodb.update_item(
        TableName=OUTPUTS.deployments_table,
        Key={"user_id": {"S": "default"}, "deployment_id": {"S": "churn-eu"}},
        UpdateExpression="SET #document = :broken",
        ExpressionAttributeNames={"#document": "document"},
        ExpressionAttributeValues={":broken": {"S": "{}"}},
    )
    result = world.command("gc", NAME, "--keep", "1", "--older-than", "0m", "--yes")
    assert (result.exit_code, "cannot be read" in result.stderr) == (1, True)
    assert versions_seen(world) == {"1.0.0", "1.1.0"}


def test_a_region_that_is_away_stops_it_before_anything_is_deleted(world: World) -> None:
    published(world, *EVERY[:2])
    world.remove_bucket(Kind.PRODUCTION, AWAY)
    before = world.table_items()
    result = world.command("gc", NAME, "--keep", "1", "--older-than", "0m", "--yes")
    assert (result.exit_code, "production in us-west-2 cannot be read" in result.stderr) == (3, True)
    assert versions_seen(world) == {"1.0.0", "1.1.0"}
    assert world.table_items() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--keep", "0"), "--keep 0 would keep nothing"),
        (("--older-than", "30"), "'30' is no time: write days, hours or minutes"),
        (("--older-than", "-1d"), "'-1d' is no time"),
        (("--spare", "1"), "not a semantic version"),
    ],
)
def test_rules_that_make_no_sense_are_refused(world: World, arguments: tuple[str, ...], said: str) -> None:
    published(world, *EVERY[:2])
    result = world.command("gc", NAME, *arguments, "--yes")
    assert (result.exit_code, result.stderr.count("\n"), said in result.stderr) == (1, 1, True)
    assert versions_seen(world) == {"1.0.0", "1.1.0"}


def test_an_unknown_model_is_named(world: World) -> None:
    result = world.command("gc", "fraud", "--yes")
    assert (result.exit_code, "there is no model 'fraud'" in result.stderr) == (1, True)


def test_rules_say_what_they_allow() -> None:
    with pytest.raises(InvalidRule, match="lies in the future"):
        Rules(older_than=timedelta(days=-1))
