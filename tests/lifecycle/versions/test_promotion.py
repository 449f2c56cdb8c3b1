"""Promotion: what it needs, which regions it waits for, and which versions may be given traffic."""

from __future__ import annotations

from typing import Any

import pytest

from contract.objects import Version
from contract.versions import Kind, State
from ops.models.promote import Waiting, promote
from ops.models.registry import NotPromotable, require_promotable
from ops.platform import Platform
from serving.signature import TrustedKeys
from tests.lifecycle.versions.world import AWAY, HOME, NAME, OUTPUTS, V1, V2, World


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
