"""Copying a version to production: in which order, over nothing else, in parts, and taken up again after a break."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.objects import CHECKSUMS_FILE, MODEL_FILE, version_prefix
from contract.versions import Kind, State
from ops.models import copying, places
from ops.models.copying import CopyRefused, copy_version
from ops.models.promote import promote
from ops.models.reading import promise_of
from ops.models.verify import check_copy
from serving.signature import TrustedKeys
from tests.lifecycle.versions.watched import Watched
from tests.lifecycle.versions.world import AWAY, HOME, NAME, OUTPUTS, V1, World

PREFIX = version_prefix(NAME, V1)


def test_the_checksums_are_copied_last_in_every_region(world: World) -> None:
    copied: list[tuple[str, str]] = []

    def note(params: Any, context: Any, **_: Any) -> None:
        copied.append((params["Bucket"], params["Key"]))

    world.approved()
    platform = Watched(world, "before-parameter-build.s3.CopyObject", note)
    promote(platform, NAME, V1, by="ada", trusted=TrustedKeys(), copy_regions=True)
    for region in (HOME, AWAY):
        keys = [key for bucket, key in copied if bucket == OUTPUTS.models_buckets[region]]
        assert keys[-1] == f"{PREFIX}{CHECKSUMS_FILE}"
        assert len(keys) == 3


def test_only_verified_bytes_are_copied_and_never_over_others(world: World) -> None:
    asked: list[Any] = []
    world.approved()
    platform = Watched(world, "before-parameter-build.s3.CopyObject", lambda params, **_: asked.append(dict(params)))
    promote(platform, NAME, V1, by="ada", trusted=TrustedKeys(), copy_regions=True)
    verified = world.record().verified[Kind.STAGING][HOME].etags
    first = [call for call in asked if call["Bucket"] == OUTPUTS.models_buckets[HOME]]
    assert {call["IfNoneMatch"] for call in asked} == {"*"}
    assert {call["Key"].removeprefix(PREFIX): call["CopySourceIfMatch"] for call in first} == verified


def test_bytes_changed_after_they_were_verified_never_reach_production(world: World) -> None:
    world.approved()
    world.spoil(Kind.STAGING)
    result = world.command("promote", NAME, "1.0.0", "--copy", "--yes")
    assert (result.exit_code, "model.onnx is not as it was verified: verify the version again" in result.stderr) == (
        1,
        True,
    )
    assert world.files(Kind.PRODUCTION) == {}
    assert world.record().promoted is None


def test_other_bytes_in_production_are_never_replaced(world: World) -> None:
    world.approved()
    world.spoil(Kind.PRODUCTION)
    result = world.command("promote", NAME, "1.0.0", "--copy", "--yes")
    assert (result.exit_code, "holds other bytes, and a version is never changed" in result.stderr) == (1, True)
    assert world.files(Kind.PRODUCTION) == {MODEL_FILE: b"other bytes"}


@pytest.mark.parametrize("after", range(6))
def test_a_copy_that_broke_off_makes_no_version_and_is_finished_by_the_next_call(world: World, after: int) -> None:
    world.approved()
    done = [0]

    def break_off(**_: Any) -> None:
        if done[0] == after:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "CopyObject")
        done[0] += 1

    platform = Watched(world, "before-parameter-build.s3.CopyObject", break_off)
    with pytest.raises(Exception, match="SlowDown"):
        promote(platform, NAME, V1, by="ada", trusted=TrustedKeys(), copy_regions=True)
    assert world.record().promoted is None
    for region, copied in ((HOME, after), (AWAY, after - 3)):
        assert (CHECKSUMS_FILE in world.files(Kind.PRODUCTION, region)) == (copied >= 3)
    assert world.command("promote", NAME, "1.0.0", "--copy", "--yes").exit_code == 0
    assert world.files(Kind.PRODUCTION, AWAY) == world.files(Kind.STAGING)
    assert world.record().state is State.PROMOTED


@pytest.mark.parametrize(
    ("code", "said"),
    [("PreconditionFailed", "written by somebody else"), ("ConditionalRequestConflict", "being written")],
)
def test_another_writer_at_the_same_moment_is_no_crash(world: World, code: str, said: str) -> None:
    world.approved()

    def lose(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "CopyObject")

    platform = Watched(world, "before-parameter-build.s3.CopyObject", lose)
    with pytest.raises(CopyRefused, match=said):
        promote(platform, NAME, V1, by="ada", trusted=TrustedKeys())


def test_without_the_right_to_write_nothing_is_promoted(world: World) -> None:
    world.approved()

    def denied(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CopyObject")

    platform = Watched(world, "before-parameter-build.s3.CopyObject", denied)
    with pytest.raises(Exception, match=r"copying to s3://models-production-us-east-1/.*AccessDenied"):
        promote(platform, NAME, V1, by="ada", trusted=TrustedKeys())
    assert world.files(Kind.PRODUCTION) == {}
    assert world.record().promoted is None


def test_large_objects_are_copied_in_parts(world: World) -> None:
    data = bytes(range(256)) * (6 * 4096)
    key, s3 = f"{PREFIX}{MODEL_FILE}", world.s3()
    world.publish()
    s3.put_object(Bucket=world.bucket(), Key=key, Body=data)
    source = places.copy_of(places.staging(world.platform), NAME, V1)
    copying._copy(source, source.files[MODEL_FILE], places.production(world.platform)[0], 5 * 1024**2)  # pyright: ignore[reportPrivateUsage]
    found = s3.get_object(Bucket=world.bucket(Kind.PRODUCTION), Key=key)
    assert found["Body"].read() == data
    assert found["ETag"].endswith('-2"')


def test_parts_that_cannot_be_joined_are_given_up(world: World) -> None:
    world.publish()

    def lose(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "UploadPartCopy")

    platform = Watched(world, "before-parameter-build.s3.UploadPartCopy", lose)
    source = places.copy_of(places.staging(platform), NAME, V1)
    promise = check_copy(source, TrustedKeys(), world.record().digest)
    etags = {file: listed.etag for file, listed in source.files.items()}
    with pytest.raises(Exception, match="SlowDown"):
        copy_version(source, places.production(platform)[0], etags, promise, part_bytes=64)
    listed = world.s3().list_multipart_uploads(Bucket=world.bucket(Kind.PRODUCTION))
    assert listed.get("Uploads", []) == []
    assert promise == promise_of(source, TrustedKeys())
