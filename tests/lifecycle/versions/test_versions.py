"""Versions in the table: registered once, changed without losing a change, and read back as they were."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contract import versions
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, Version
from contract.versions import Approval, InvalidVersionRecord, Kind, Smoke, State, Verified, VersionRecord
from ops.models import registry
from ops.models.reading import CopyCorrupt
from ops.models.registry import UnknownVersion, VersionConflict, Versions, VersionTaken, register
from tests.lifecycle.versions.world import HOME, NAME, NOW, PUBLISHER, V1, V2, World


def a_record(**changes: Any) -> VersionRecord:
    fields: dict[str, Any] = {
        "model": NAME,
        "version": V1,
        "digest": "d" * 64,
        "published_at": NOW,
        "published_by": "ada",
    }
    return VersionRecord(**(fields | changes))


def evidence() -> dict[str, Any]:
    return {
        "verified": {Kind.PRODUCTION: {HOME: Verified(at=NOW, by="ada", digest="d" * 64, etags={"model.onnx": '"1"'})}},
        "smoke": Smoke(at=NOW, by="ada", rows=3, passed=True, through="in process"),
        "approvals": (Approval(by="grace", at=NOW, note="fine"),),
    }


def test_a_record_reads_as_it_was_written() -> None:
    record = a_record(version=Version.parse("1.0.0-rc.1"), **evidence())
    assert versions.decode(versions.encode(record)) == record


def test_a_reader_passes_over_what_a_newer_writer_added() -> None:
    written = versions.encode(a_record()).replace(b'"model"', b'"later_field":{"a":1},"model"')
    assert versions.decode(written) == a_record()


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b"[]",
        b'{"model":"churn"}',
        b'{"model":"churn","version":"x"}',
        b'{"model":"churn","version":1}',
        b'{"model":"\xff"}',
        b'{"model":' * 100_000,
    ],
    ids=["half", "list", "fields", "version", "number", "no UTF-8", "deep"],
)
def test_a_record_that_cannot_be_read_is_named_as_one(document: bytes) -> None:
    with pytest.raises(InvalidVersionRecord, match="a version's record in the deployments table cannot be read"):
        versions.decode(document)


def test_the_state_is_the_farthest_that_the_version_has_come() -> None:
    seen = [a_record().state]
    for part in ("verified", "smoke", "approvals"):
        known = evidence()
        seen.append(a_record(**{name: known[name] for name in list(known)[: list(known).index(part) + 1]}).state)
    failed = Smoke(at=NOW, by="ada", rows=3, passed=False, through="in process", reason="no")
    assert seen == [State.PUBLISHED, State.VERIFIED, State.TESTED, State.APPROVED]
    assert a_record(smoke=failed).state is State.PUBLISHED


def test_a_copy_verified_with_other_checksums_counts_for_nothing() -> None:
    other = Verified(at=NOW, by="ada", digest="e" * 64, etags={})
    assert a_record(verified={Kind.PRODUCTION: {HOME: other}}).verified_in(Kind.PRODUCTION, HOME) is None
    assert a_record(**evidence()).verified_in(Kind.PRODUCTION, HOME) is not None


def test_publishing_registers_who_what_and_from_which_data(world: World) -> None:
    world.publish()
    checksums = world.files(Kind.STAGING)[CHECKSUMS_FILE]
    record = world.record()
    assert record.digest == hashlib.sha256(checksums).hexdigest()
    assert (record.published_by, record.published_at, record.revision) == (PUBLISHER, NOW, 1)
    assert (record.dataset_version, record.git_sha, record.signed_by) == ("2026-02-28-020000", "0123abc", None)


def test_registering_the_same_bytes_again_changes_nothing(world: World) -> None:
    published = world.publish()
    before = world.table_items()
    assert register(world.platform, published, "grace", now=lambda: NOW + timedelta(days=1)) == world.record()
    assert world.table_items() == before


def test_other_bytes_under_a_registered_number_are_refused(world: World) -> None:
    world.publish()
    before = world.table_items()
    with pytest.raises(VersionTaken, match=r"churn 1\.0\.0 is registered with other bytes \(by ada\): publish under"):
        world.publish(kind=Kind.PRODUCTION, seed=8)
    assert world.table_items() == before


def test_a_withdrawn_number_is_never_used_again(world: World) -> None:
    published = world.publish()
    world.command("withdraw", NAME, "1.0.0", "--reason", "leaks", "--yes")
    before = world.table_items()
    with pytest.raises(VersionTaken, match=r"was withdrawn by grace \(leaks\): publish under a new version"):
        register(world.platform, published, PUBLISHER)
    assert world.table_items() == before


def test_what_is_not_whole_or_was_changed_since_is_not_registered(world: World) -> None:
    published = world.publish(registered=False)
    world.spoil(Kind.STAGING, file=METADATA_FILE)
    with pytest.raises(CopyCorrupt, match=r"metadata\.json has the SHA-256"):
        register(world.platform, published, PUBLISHER)
    world.remove(Kind.STAGING, CHECKSUMS_FILE)
    with pytest.raises(CopyCorrupt, match=r"checksums\.json is missing"):
        register(world.platform, published, PUBLISHER)
    assert world.table_items() == []


def test_a_bucket_of_another_environment_is_refused(world: World) -> None:
    published = world.publish(registered=False)

    class Elsewhere:
        bucket, name, version, digests = "another", published.name, published.version, published.digests

    with pytest.raises(VersionTaken, match="the bucket another is none of prod's: publish to models-staging-us-east-1"):
        register(world.platform, Elsewhere(), PUBLISHER)


def test_no_change_is_lost_to_another_made_meanwhile(world: World) -> None:
    world.publish()
    others = [Approval(by=f"operator-{number}", at=NOW, note="") for number in range(5)]
    met: list[int] = []

    def approved(by: Approval) -> Callable[[VersionRecord], VersionRecord]:
        return lambda record: versions.replace(record, approvals=(*record.approvals, by))

    def overtaken(record: VersionRecord) -> VersionRecord:
        met.append(record.revision)
        if others:
            world.records.change(NAME, V1, approved(others.pop()))
        return approved(Approval(by="grace", at=NOW, note=""))(record)

    Versions(world.platform.dynamodb, "deployments", pause=lambda _: None).change(NAME, V1, overtaken)
    record = world.record()
    assert met == [1, 2, 3, 4, 5, 6]
    assert [entry.by for entry in record.approvals] == [f"operator-{number}" for number in (4, 3, 2, 1, 0)] + ["grace"]
    assert record.revision == 7


def test_what_is_unchanged_is_not_written(world: World) -> None:
    world.publish()
    assert world.records.change(NAME, V1, lambda record: record).revision == 1


def test_a_writer_that_always_loses_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish()
    monkeypatch.setattr(registry, "ATTEMPTS", 3)
    pauses: list[float] = []
    writer = Versions(world.platform.dynamodb, "deployments", pause=pauses.append)

    def overtaken(record: VersionRecord) -> VersionRecord:
        world.records.change(NAME, V1, lambda found: versions.replace(found, git_sha=f"sha-{len(pauses)}"))
        return versions.replace(record, dataset_version="mine")

    with pytest.raises(VersionConflict, match=r"churn 1\.0\.0 was changed by others at each of 3 tries"):
        writer.change(NAME, V1, overtaken)
    assert len(pauses) == 3
    assert world.record().dataset_version == "2026-02-28-020000"


def test_an_unknown_version_is_told_how_it_gets_a_record(world: World) -> None:
    with pytest.raises(UnknownVersion, match=r"no record of churn 9\.0\.0: publish it"):
        world.records.get(NAME, Version(9, 0, 0))


def test_the_versions_of_a_model_come_in_order(world: World) -> None:
    for text in ("1.10.0", "1.2.0", "1.10.0-rc.1"):
        world.records.create(a_record(version=Version.parse(text)))
    world.records.create(a_record(model="churner"))
    assert [str(version) for version in world.records.of(NAME)] == ["1.2.0", "1.10.0-rc.1", "1.10.0"]
    assert list(world.records.of("churner")) == [V1]
    assert world.records.find(NAME, V2) is None
