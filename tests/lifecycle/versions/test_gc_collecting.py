"""Garbage collection at work: in which order versions go, and what a race or a break leaves behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.objects import CHECKSUMS_FILE, MODEL_FILE, Version, version_prefix
from contract.versions import Kind
from ops.models.collect import CollectionBroken, Rules, collect, plan
from tests.lifecycle.versions.collecting import EVERY, LATER, going, planned, published, versions_seen
from tests.lifecycle.versions.watched import Watched
from tests.lifecycle.versions.world import AWAY, HOME, NAME, World

DELETION = "before-parameter-build.s3.DeleteObject"


def test_in_every_bucket_the_checksums_go_first(world: World) -> None:
    published(world, *EVERY[:2])
    world.replicate(EVERY[0])
    deleted: list[str] = []
    platform = Watched(world, DELETION, lambda params, **_: deleted.append(params["Key"].rpartition("/")[2]))
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

    platform = Watched(world, DELETION, break_off)
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


def test_a_deleted_version_lies_behind_delete_markers(world: World) -> None:
    published(world, *EVERY[:2])
    collect(world.platform, planned(world), by="ada")
    listed = world.s3().list_object_versions(
        Bucket=world.bucket(Kind.PRODUCTION), Prefix=version_prefix(NAME, EVERY[0])
    )
    assert len(listed["DeleteMarkers"]) == len(listed["Versions"]) == 3
