"""Publishers of the same version at once: one version comes of it, whole, and whoever has other bytes is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, version_prefix
from ops.models.publish import PublishedModel, PublishRefused, VersionExists, publish
from tests.lifecycle.uploads import (
    BUCKET,
    VERSION,
    BigModel,
    Calls,
    account,
    big_model,
    client,
    open_uploads,
    published,
    verified,
)

PATIENCE_SECONDS = 60


@pytest.fixture
def s3() -> Iterator[Any]:
    with account() as found:
        yield found


def together(*models: BigModel) -> list[PublishedModel | VersionExists]:
    """Each publishes with a client of its own, and none goes past the looking before all have looked."""
    looked = threading.Barrier(len(models))
    # S3 decides a conditional write as one; moto looks and writes in two steps, between which another may write.
    one_at_a_time = threading.Lock()

    def run(model: BigModel) -> PublishedModel | VersionExists:
        s3 = client()
        s3.meta.events.register("after-call.s3.ListObjectsV2", lambda **_: looked.wait(PATIENCE_SECONDS))
        s3.meta.events.register("after-call.s3.ListMultipartUploads", lambda **_: looked.wait(PATIENCE_SECONDS))
        for write in ("PutObject", "CompleteMultipartUpload"):
            s3.meta.events.register(f"before-call.s3.{write}", lambda **_: one_at_a_time.acquire() and None)
            s3.meta.events.register(f"after-call.s3.{write}", lambda **_: one_at_a_time.release())
        try:
            return publish(s3, **model.arguments)
        except VersionExists as error:
            return error

    with ThreadPoolExecutor(len(models)) as pool:
        return list(pool.map(run, models))


def test_of_two_with_other_bytes_one_wins_and_the_other_is_told(s3: Any, tmp_path: Path) -> None:
    models = [big_model(tmp_path, seed=seed) for seed in (0, 1)]
    outcomes = together(*models)
    won = [model for model, outcome in zip(models, outcomes, strict=True) if isinstance(outcome, PublishedModel)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, VersionExists)]
    assert (len(won), len(lost)) == (1, 1)
    assert "holds other bytes, and a version is never changed: publish under a new version" in str(lost[0])
    assert verified(s3, tmp_path) == won[0].onnx.read_bytes()
    assert open_uploads(s3) == []


def test_of_two_with_the_same_bytes_both_have_published_it(s3: Any, tmp_path: Path) -> None:
    model = big_model(tmp_path)
    outcomes = together(model, model)
    assert all(isinstance(outcome, PublishedModel) for outcome in outcomes)
    assert len({str(outcome.digests) for outcome in outcomes if isinstance(outcome, PublishedModel)}) == 1
    assert verified(s3, tmp_path) == model.onnx.read_bytes()
    assert open_uploads(s3) == []


@pytest.mark.parametrize("lying", [MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE])
def test_other_bytes_than_lie_there_are_refused_before_anything_is_sent(s3: Any, tmp_path: Path, lying: str) -> None:
    key = f"{version_prefix(big_model(tmp_path).metadata.name, VERSION)}{lying}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"other")
    calls = Calls(s3)
    with pytest.raises(VersionExists, match=f"{lying} holds other bytes"):
        publish(s3, **big_model(tmp_path).arguments)
    assert not {"PutObject", "CreateMultipartUpload", "UploadPart"} & set(calls.names)


def test_a_version_that_lies_there_whole_is_not_sent_again(s3: Any, tmp_path: Path) -> None:
    model = big_model(tmp_path)
    first = publish(s3, **model.arguments)
    calls = Calls(s3)
    counts: list[int] = []
    again = publish(s3, on_bytes=counts.append, **model.arguments)
    assert (again.created, again.sent_bytes, again.digests) == (False, 0, first.digests)
    assert sum(counts) == model.total_bytes
    assert not {"CreateMultipartUpload", "UploadPart"} & set(calls.names)


def test_the_model_that_was_checked_is_the_one_that_is_sent(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = big_model(tmp_path)
    s3.meta.events.register(
        "after-call.s3.ListObjectsV2", lambda **_: model.onnx.write_bytes(big_model(tmp_path, seed=1).onnx.read_bytes())
    )
    with pytest.raises(PublishRefused, match="changed while it was being published"):
        publish(s3, **model.arguments)
    assert published(s3, tmp_path) == []
