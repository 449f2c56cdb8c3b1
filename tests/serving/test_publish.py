"""Publishing: what lies in the bucket afterwards, and what is refused before anything is written."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contract import checksums, metadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from ops import demo_model
from ops.demo_model import NAME, DemoModel
from ops.models import PublishedModel, PublishRefused, VersionExists, publish

PREFIX = version_prefix(NAME, Version(1, 0, 0))


def put(s3: Any, bucket: str, directory: Path, model: DemoModel) -> PublishedModel:
    path = directory / "trained.onnx"
    path.write_bytes(model.onnx)
    return publish(s3, bucket, NAME, Version(1, 0, 0), path, model.metadata)


def contents(s3: Any, bucket: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {found["Key"]: s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read() for found in listed}


def test_a_version_is_its_model_its_metadata_and_the_checksums_of_both(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    published = put(s3, own_bucket, tmp_path, first)
    found = contents(s3, own_bucket)
    assert set(found) == {f"{PREFIX}{name}" for name in (MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE)}
    assert found[f"{PREFIX}{MODEL_FILE}"] == first.onnx
    assert metadata.parse(found[f"{PREFIX}{METADATA_FILE}"]) == first.metadata
    digests = {name: hashlib.sha256(found[f"{PREFIX}{name}"]).hexdigest() for name in (MODEL_FILE, METADATA_FILE)}
    assert checksums.parse(found[f"{PREFIX}{CHECKSUMS_FILE}"]) == digests == published.digests
    assert published.created


def test_the_checksums_are_written_last(s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel) -> None:
    written: list[str] = []
    s3.meta.events.register("before-parameter-build.s3.PutObject", lambda params, **_: written.append(params["Key"]))
    put(s3, own_bucket, tmp_path, first)
    assert written[-1] == f"{PREFIX}{CHECKSUMS_FILE}"


def test_publishing_the_same_bytes_again_changes_nothing(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    put(s3, own_bucket, tmp_path, first)
    before = contents(s3, own_bucket)
    assert not put(s3, own_bucket, tmp_path, first).created
    assert contents(s3, own_bucket) == before


def test_an_upload_that_broke_off_is_finished_by_publishing_again(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    s3.put_object(Bucket=own_bucket, Key=f"{PREFIX}{MODEL_FILE}", Body=first.onnx)
    assert put(s3, own_bucket, tmp_path, first).created
    assert f"{PREFIX}{CHECKSUMS_FILE}" in contents(s3, own_bucket)


@pytest.mark.parametrize("present", [MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE])
def test_a_version_with_other_bytes_is_never_overwritten(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel, present: str
) -> None:
    s3.put_object(Bucket=own_bucket, Key=f"{PREFIX}{present}", Body=b"other")
    with pytest.raises(VersionExists, match=f"v1.0.0/{present} holds other bytes.* publish under a new version"):
        put(s3, own_bucket, tmp_path, first)
    assert contents(s3, own_bucket)[f"{PREFIX}{present}"] == b"other"


def test_a_model_that_the_server_would_refuse_is_not_uploaded(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    sample = first.metadata.sample
    assert sample is not None
    zeros = replace(sample, outputs={name: [0] * len(rows) for name, rows in sample.outputs.items()})
    refused = {
        "would be refused by the server: .* does not answer": replace(
            first, metadata=replace(first.metadata, sample=zeros)
        ),
        "would be refused by the server: ONNX Runtime does not open": replace(first, onnx=b"not a model"),
        "the metadata describes breast-cancer 3.0.0": replace(
            first, metadata=replace(first.metadata, version=Version(3, 0, 0))
        ),
    }
    for message, model in refused.items():
        with pytest.raises(PublishRefused, match=message):
            put(s3, own_bucket, tmp_path, model)
    assert contents(s3, own_bucket) == {}


def test_a_path_without_a_file_is_named(s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel) -> None:
    with pytest.raises(PublishRefused, match=r"there is no file .*absent\.onnx"):
        publish(s3, own_bucket, NAME, Version(1, 0, 0), tmp_path / "absent.onnx", first.metadata)


def test_training_the_demo_model_twice_gives_the_same_bytes() -> None:
    created_at = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = (demo_model.train(Version(1, 0, 0), iterations=3, created_at=created_at) for _ in range(2))
    assert one.onnx == other.onnx
    assert metadata.render(one.metadata) == metadata.render(other.metadata)
