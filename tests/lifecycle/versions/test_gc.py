"""Garbage collection: what stays and why, what goes and in which order, and what a race or a break leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.deployment import Gates, Shadow, Stage
from contract.objects import CHECKSUMS_FILE, MODEL_FILE, Version, model_prefix, version_prefix
from contract.versions import Kind
from ops.models import collect as collecting
from ops.models.collect import CollectionBroken, InvalidRule, Rules, collect, plan
from ops.platform import Platform
from ops.rollout import transitions
from tests.lifecycle.versions.world import AWAY, HOME, NAME, NOW, OUTPUTS, World

LATER = datetime.now(UTC) + timedelta(days=60)
EVERY = [Version(1, minor, 0) for minor in range(7)]


def published(world: World, *versions: Version) -> None:
    for version in versions or EVERY:
        world.publish(version, kind=Kind.PRODUCTION)


def planned(world: World, **rules: Any) -> Any:
    return plan(world.platform, NAME, Rules(**({"keep": 1} | rules)), now=lambda: LATER)


def going(found: Any) -> list[str]:
    return [str(doomed.version) for doomed in found.doomed]


def reasons(found: Any, version: str) -> tuple[str, ...]:
    return next(kept.reasons for kept in found.kept if str(kept.version) == version)


def versions_seen(world: World, region: str = HOME) -> set[str]:
    """What readers of the production bucket find whole."""
    listed = world.s3(region).list_objects_v2(Bucket=world.bucket(Kind.PRODUCTION, region), Prefix=model_prefix(NAME))
    keys = [entry["Key"] for entry in listed.get("Contents", [])]
    return {key.split("/")[2].removeprefix("v") for key in keys if key.endswith(CHECKSUMS_FILE)}


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


class Watched(Platform):
    """The platform, whose S3 clients ask before each deletion."""

    def __init__(self, before_delete: Any) -> None:
        super().__init__("prod", OUTPUTS)
        self._before_delete = before_delete

    def s3(self, region: str | None = None) -> Any:
        client = super().s3(region)
        client.meta.events.register("before-parameter-build.s3.DeleteObject", self._before_delete)
        return client


def test_in_every_bucket_the_checksums_go_first(world: World) -> None:
    published(world, *EVERY[:2])
    world.replicate(EVERY[0])
    deleted: list[str] = []
    platform = Watched(lambda params, **_: deleted.append(params["Key"].rpartition("/")[2]))
    collect(platform, plan(platform, NAME, Rules(keep=1), now=lambda: LATER), by="ada")
    assert deleted[:2] == [CHECKSUMS_FILE, CHECKSUMS_FILE]
    assert len(deleted) == 6


@pytest.mark.parametrize("after", range(6))
def test_a_collection_that_broke_off_leaves_no_half_version_and_is_finished_by_the_next(
    world: World, after: int
) -> None:
    published(world, *EVERY[:2])
    world.replicate(EVERY[0])
    done = [0]

    def break_off(**_: Any) -> None:
        if done[0] == after:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteObject")
        done[0] += 1

    platform = Watched(break_off)
    with pytest.raises(
        CollectionBroken, match=r"no version of churn was deleted, then: .*AccessDenied.*again to go on"
    ):
        collect(platform, plan(platform, NAME, Rules(keep=1), now=lambda: LATER), by="ada")
    for region, gone in ((HOME, after >= 1), (AWAY, after >= 2)):
        files = world.files(Kind.PRODUCTION, region, EVERY[0])
        assert (CHECKSUMS_FILE not in files) == gone
        assert gone or MODEL_FILE in files
    collect(world.platform, planned(world), by="ada")
    assert world.files(Kind.PRODUCTION, HOME, EVERY[0]) == world.files(Kind.PRODUCTION, AWAY, EVERY[0]) == {}
    assert versions_seen(world) == {"1.1.0"}


def test_a_version_that_a_deployment_came_to_name_meanwhile_is_spared(world: World) -> None:
    published(world, *EVERY[:2])
    found = planned(world)
    world.deploy(EVERY[0])
    done = collect(world.platform, found, by="ada")
    assert [kept.reasons for kept in done.spared] == [("named by the deployment default/churn-eu",)]
    assert done.deleted == ()
    assert versions_seen(world) == {"1.0.0", "1.1.0"}
    assert world.record(EVERY[0]).withdrawn is None


def test_a_version_that_was_approved_meanwhile_is_spared(world: World) -> None:
    world.tested(EVERY[0])
    published(world, EVERY[1])
    found = planned(world)
    assert going(found) == ["1.0.0"]
    world.approved(EVERY[0])
    done = collect(world.platform, found, by="ada")
    assert [kept.reasons for kept in done.spared] == [("approved, and not promoted yet",)]
    assert world.record(EVERY[0]).withdrawn is None


def test_what_a_broken_upload_left_goes_and_pushes_out_nothing_whole(world: World) -> None:
    published(world, EVERY[0])
    world.s3().put_object(
        Bucket=world.bucket(), Key=f"{version_prefix(NAME, Version(9, 0, 0))}{MODEL_FILE}", Body=b"half"
    )
    found = planned(world)
    assert going(found) == ["9.0.0"]
    assert not found.doomed[0].whole
    collect(world.platform, found, by="ada")
    assert world.files(Kind.STAGING, version=Version(9, 0, 0)) == {}


def test_open_uploads_that_were_given_up_are_ended(world: World) -> None:
    published(world, EVERY[0])
    bucket = world.bucket(Kind.PRODUCTION)
    key = f"{version_prefix(NAME, EVERY[0])}{MODEL_FILE}"
    upload = world.s3().create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    world.s3().upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"begun a moment ago")
    done = collect(world.platform, planned(world), by="ada")
    assert done.uploads_ended == 0
    done = collect(world.platform, planned(world, older_than=timedelta(0)), by="ada")
    assert done.uploads_ended == 1
    assert world.s3().list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


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


def test_a_deleted_version_lies_behind_delete_markers(world: World) -> None:
    published(world, *EVERY[:2])
    collect(world.platform, planned(world), by="ada")
    listed = world.s3().list_object_versions(
        Bucket=world.bucket(Kind.PRODUCTION), Prefix=version_prefix(NAME, EVERY[0])
    )
    assert len(listed["DeleteMarkers"]) == len(listed["Versions"]) == 3


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
