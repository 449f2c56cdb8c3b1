"""Approval and promotion: what they need, what they copy, how they go on after a break, and what they never do."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.objects import CHECKSUMS_FILE, MODEL_FILE, Version, version_prefix
from contract.versions import Kind, State
from ops.models import copying, places
from ops.models.copying import CopyRefused, copy_version
from ops.models.promote import Waiting, promote
from ops.models.reading import promise_of
from ops.models.registry import NotPromotable, require_promotable
from ops.models.verify import check_copy
from ops.platform import Platform
from serving.signature import TrustedKeys
from tests.lifecycle.versions.world import AWAY, HOME, NAME, OUTPUTS, V1, V2, World

PREFIX = version_prefix(NAME, V1)


class Clock:
    """Time that passes by pausing, with something that happens at a pause."""

    def __init__(self, then: Any = lambda: None) -> None:
        self.now, self.pauses, self._then = 0.0, 0, then

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses += 1
        self._then()

    def waiting(self, seconds: float) -> Waiting:
        return Waiting(seconds=seconds, look_seconds=5, clock=lambda: self.now, pause=self.pause)


def written(world: World, region: str = HOME) -> list[str]:
    """Keys of the production bucket in the order in which they were written."""
    listed = world.s3(region).list_object_versions(Bucket=world.bucket(Kind.PRODUCTION, region))
    versions = sorted(listed.get("Versions", []), key=lambda entry: entry["LastModified"])
    return [entry["Key"] for entry in versions]


def test_a_version_goes_from_staging_to_every_region(world: World) -> None:
    world.approved()
    answer = world.answer("promote", NAME, "1.0.0", "--copy", "--yes")
    assert answer["copied_regions"] == [HOME, AWAY]
    staged = world.files(Kind.STAGING)
    assert world.files(Kind.PRODUCTION) == world.files(Kind.PRODUCTION, AWAY) == staged
    record = world.record()
    assert record.state is State.PROMOTED
    assert record.promoted is not None
    assert record.promoted.by == "grace"
    assert set(record.verified[Kind.PRODUCTION]) == {HOME, AWAY}
    require_promotable(world.platform, NAME, V1)


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


class Watched(Platform):
    """The platform, whose S3 clients tell of an event."""

    def __init__(self, world: World, event: str, handler: Any) -> None:
        super().__init__(world.platform.environment, world.platform.outputs)
        self._event, self._handler = event, handler

    def s3(self, region: str | None = None) -> Any:
        client = super().s3(region)
        client.meta.events.register(self._event, self._handler)
        return client


@pytest.mark.parametrize(
    ("come", "lacking"),
    [
        ("publish", ("were not verified", "has not answered its sample", "nobody has approved it")),
        ("verified", ("has not answered its sample", "nobody has approved it")),
        ("tested", ("nobody has approved it",)),
    ],
)
def test_what_lacks_is_all_said_at_once_and_nothing_is_copied(
    world: World, come: str, lacking: tuple[str, ...]
) -> None:
    world.publish()
    if come != "publish":
        getattr(world, come)()
    before = world.table_items()
    result = world.command("promote", NAME, "1.0.0", "--yes")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.count(";") == len(lacking) - 1
    for reason in lacking:
        assert reason in result.stderr
    assert world.table_items() == before
    assert world.files(Kind.PRODUCTION) == {}


def test_in_production_somebody_else_than_the_publisher_approves(world: World) -> None:
    world.tested()
    before = world.table_items()
    for extra, said in (
        ((), "ada published churn 1.0.0: have somebody else approve it"),
        (
            ("--allow-self",),
            "in prod nobody approves what they published",
        ),
    ):
        result = world.command("approve", NAME, "1.0.0", "--note", "mine", "--yes", *extra, by="ada")
        assert (result.exit_code, said in result.stderr) == (1, True)
    assert world.table_items() == before
    answer = world.answer("approve", NAME, "1.0.0", "--note", "looked at it", "--yes")
    assert [(entry["by"], entry["note"]) for entry in answer["approvals"]] == [("grace", "looked at it")]


def test_elsewhere_the_publisher_may_when_they_say_so(world: World) -> None:
    world.tested()
    refused = world.command("approve", NAME, "1.0.0", "--note", "mine", by="ada", env="staging")
    assert (refused.exit_code, "or say --allow-self" in refused.stderr) == (1, True)
    allowed = world.command("approve", NAME, "1.0.0", "--note", "mine", "--allow-self", by="ada", env="staging")
    assert allowed.exit_code == 0
    # An approval by the publisher, however it came about, is none in production.
    result = world.command("promote", NAME, "1.0.0", "--yes")
    assert (result.exit_code, "nobody but ada, who published it, has approved it" in result.stderr) == (1, True)


def test_an_approval_needs_evidence_and_a_name(world: World) -> None:
    world.publish()
    result = world.command("approve", NAME, "1.0.0", "--note", "blind", "--yes")
    assert (result.exit_code, "cannot be approved yet: its bytes in us-east-1 were not verified" in result.stderr) == (
        1,
        True,
    )
    world.tested()
    result = world.command("approve", NAME, "1.0.0", "--note", "who", "--yes", by="unknown")
    assert (result.exit_code, "set SERVEML_OPERATOR" in result.stderr) == (1, True)
    assert world.record().approvals == ()


def test_the_same_approval_again_is_written_once(world: World) -> None:
    world.approved()
    before = world.table_items()
    assert world.command("approve", NAME, "1.0.0", "--note", "again", "--yes").exit_code == 0
    assert world.table_items() == before


def test_production_is_not_changed_without_a_word(world: World) -> None:
    world.tested()
    before = world.table_items()
    for arguments in (("approve", NAME, "1.0.0", "--note", "x"), ("promote", NAME, "1.0.0")):
        result = world.command(*arguments)
        assert (result.exit_code, "was not confirmed: say --yes" in result.stderr) == (1, True)
    assert world.table_items() == before


def test_promoting_again_changes_nothing_but_when_it_was_verified(world: World) -> None:
    world.promoted()
    before, objects = world.record(), written(world)
    answer = world.answer("promote", NAME, "1.0.0", "--copy", "--yes", by="linus")
    assert answer["copied_regions"] == []
    assert world.record().promoted == before.promoted
    assert written(world) == objects


def test_promotion_waits_for_replication(world: World) -> None:
    world.approved()
    clock = Clock(world.replicate)
    said: list[str] = []
    done = promote(
        world.platform, NAME, V1, by="ada", trusted=TrustedKeys(), waiting=clock.waiting(60), progress=said.append
    )
    assert done.copied == (HOME,)
    assert clock.pauses == 1
    assert "waiting for replication to production in us-west-2" in said
    require_promotable(world.platform, NAME, V1)


def test_replication_that_is_late_leaves_it_unpromoted_and_the_next_call_goes_on(world: World) -> None:
    world.approved()
    result = world.command("promote", NAME, "1.0.0", "--yes", "--wait-seconds", "0")
    assert result.exit_code == 3
    assert "production in us-west-2 did not get churn 1.0.0 within 0 s" in result.stderr
    assert world.record().promoted is None
    with pytest.raises(
        NotPromotable, match=r"were not verified in us-west-2 \(`serveml model promote churn 1\.0\.0`\)"
    ):
        require_promotable(world.platform, NAME, V1)
    world.replicate()
    assert world.command("promote", NAME, "1.0.0", "--yes").exit_code == 0


def test_what_replication_spoiled_is_not_promoted(world: World) -> None:
    world.approved()

    def spoiled() -> None:
        world.replicate()
        world.spoil(Kind.PRODUCTION, AWAY)

    with pytest.raises(ValueError, match=r"models-production-us-west-2/.*model\.onnx has the SHA-256"):
        promote(world.platform, NAME, V1, by="ada", trusted=TrustedKeys(), waiting=Clock(spoiled).waiting(60))
    assert world.record().promoted is None


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


def test_an_older_version_is_promoted_only_on_purpose(world: World) -> None:
    world.promoted(V2)
    world.approved(V1)
    result = world.command("promote", NAME, "1.0.0", "--copy", "--yes")
    assert (result.exit_code, "churn 1.1.0 is promoted, and 1.0.0 is older: say --allow-older" in result.stderr) == (
        1,
        True,
    )
    assert world.files(Kind.PRODUCTION) == {}
    assert world.command("promote", NAME, "1.0.0", "--copy", "--allow-older", "--yes").exit_code == 0


def test_a_version_published_to_production_directly_is_verified_where_it_is(world: World) -> None:
    world.publish(kind=Kind.PRODUCTION)
    answer = world.answer("promote", NAME, "1.0.0", "--copy", env="dev")
    assert answer["copied_regions"] == [AWAY]
    assert world.record().state is State.PROMOTED


def test_an_account_on_this_machine_copies_where_s3_would_replicate(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish()
    monkeypatch.setattr("ops.commands.model_evidence.open_platform", lambda env: OnThisMachine(env, OUTPUTS))
    answer = world.answer("promote", NAME, "1.0.0", env="local")
    assert answer["copied_regions"] == [HOME, AWAY]


class OnThisMachine(Platform):
    """Has an endpoint, and yet the clients of the test's account."""

    def __init__(self, environment: str, outputs: Any) -> None:
        super().__init__(environment, outputs)
        inner = Platform(environment, outputs)
        self.s3 = inner.s3  # type: ignore[method-assign]
        self.__dict__["dynamodb"] = inner.dynamodb
        self.outputs = type(outputs)(
            **{field: getattr(outputs, field) for field in outputs.__struct_fields__} | {"endpoint": "http://127.0.0.1"}
        )


def test_a_withdrawn_version_is_promotable_nowhere(world: World) -> None:
    world.promoted()
    assert world.command("withdraw", NAME, "1.0.0", "--reason", "leaks", "--yes").exit_code == 0
    for environment in ("local", "dev", "staging", "prod"):
        with pytest.raises(NotPromotable, match=r"grace withdrew it \(leaks\): publish a new version"):
            require_promotable(Platform(environment, OUTPUTS), NAME, V1)
    result = world.command("promote", NAME, "1.0.0", "--copy", "--yes")
    assert (result.exit_code, "cannot be promoted" in result.stderr) == (1, True)


def test_traffic_needs_evidence_in_staging_and_production(world: World) -> None:
    world.publish(kind=Kind.PRODUCTION)
    for environment in ("staging", "prod"):
        with pytest.raises(NotPromotable, match=r"not verified.*sample.*approved.*us-east-1, us-west-2"):
            require_promotable(Platform(environment, OUTPUTS), NAME, V1)
        with pytest.raises(NotPromotable, match="has no record, so publish it first"):
            require_promotable(Platform(environment, OUTPUTS), NAME, V2)


def test_traffic_needs_no_more_than_a_published_version_in_development(world: World) -> None:
    world.publish(kind=Kind.PRODUCTION, registered=False)
    world.publish(V2)
    for environment in ("local", "dev"):
        require_promotable(Platform(environment, OUTPUTS), NAME, V1)
        for absent in (V2, Version(9, 0, 0)):
            with pytest.raises(NotPromotable, match="production in us-east-1 does not hold it"):
                require_promotable(Platform(environment, OUTPUTS), NAME, absent)


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
