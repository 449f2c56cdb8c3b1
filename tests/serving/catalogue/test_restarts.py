"""What is served while the bucket is away, hangs or comes back: from the disk, and nothing spoilt or withdrawn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version
from ops.demo_model import NAME, DemoModel
from serving.store import Published, Store, StoreUnreachable
from tests.serving.catalogue.following import NewCatalogue, followed, version_after_refresh, wait_until, withdraw
from tests.serving.conftest import Publish
from tests.serving.process import PATIENCE_SECONDS


def test_a_bucket_that_does_not_answer_changes_nothing(
    catalogue: NewCatalogue, upload: Publish, s3: Any, own_bucket: str, first: DemoModel
) -> None:
    upload(first)
    following = catalogue()
    assert version_after_refresh(following) == "1.0.0"
    for found in s3.list_objects_v2(Bucket=own_bucket)["Contents"]:
        s3.delete_object(Bucket=own_bucket, Key=found["Key"])
    s3.delete_bucket(Bucket=own_bucket)
    assert version_after_refresh(following) == "1.0.0"


def test_what_was_tampered_with_on_disk_is_downloaded_again(
    catalogue: NewCatalogue, upload: Publish, first: DemoModel, cache: Path
) -> None:
    upload(first)
    assert version_after_refresh(catalogue()) == "1.0.0"
    model = cache / NAME / "v1.0.0" / MODEL_FILE
    model.write_bytes(b"tampered")
    assert version_after_refresh(catalogue()) == "1.0.0"
    assert model.read_bytes() == first.onnx


def test_a_restart_serves_from_the_disk_while_the_bucket_is_away(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel, cache: Path, away: Any
) -> None:
    for version in ("1.0.0", "1.1.0"):
        put(first, version)
        assert version_after_refresh(catalogue()) == version
    restarted = catalogue(s3=away)
    assert version_after_refresh(restarted) == "1.1.0"
    assert version_after_refresh(catalogue(s3=away, pinned=Version.parse("1.0.0"))) == "1.0.0"
    assert version_after_refresh(catalogue(s3=away, pinned=Version.parse("3.0.0"))) is None


def test_a_restart_without_the_bucket_serves_what_was_served_last_and_not_what_is_highest(
    catalogue: NewCatalogue, put: Callable[..., None], s3: Any, own_bucket: str, first: DemoModel, away: Any
) -> None:
    put(first, "1.0.0")
    put(first, "2.0.0")
    following = catalogue()
    assert version_after_refresh(following) == "2.0.0"
    withdraw(s3, own_bucket, "2.0.0")
    assert version_after_refresh(following) == "1.0.0"
    assert version_after_refresh(catalogue(s3=away)) == "1.0.0"


@pytest.mark.parametrize("spoilt", [MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE])
def test_a_spoilt_version_on_disk_is_not_served_while_the_bucket_is_away(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel, cache: Path, away: Any, spoilt: str
) -> None:
    for version in ("1.0.0", "1.1.0"):
        put(first, version)
        assert version_after_refresh(catalogue()) == version
    file = cache / NAME / "v1.1.0" / spoilt
    file.write_bytes(file.read_bytes()[:-10])
    assert version_after_refresh(catalogue(s3=away)) == "1.0.0"


def test_a_server_that_began_from_the_disk_changes_over_when_the_bucket_is_back(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_: Store) -> list[Published]:
        raise StoreUnreachable("the bucket is away")

    put(first, "1.0.0")
    catalogue().refresh()
    put(first, "1.1.0")
    recovering = catalogue()
    with monkeypatch.context() as context:
        context.setattr(Store, "published", unreachable)
        assert version_after_refresh(recovering) == "1.0.0"
    assert version_after_refresh(recovering) == "1.1.0"


def test_a_bucket_that_hangs_keeps_a_restart_waiting_only_so_long(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(first, "1.0.0")
    catalogue().refresh()
    released = threading.Event()
    listing = Store.published

    def hang(store: Store) -> list[Published]:
        assert released.wait(PATIENCE_SECONDS)
        return listing(store)

    monkeypatch.setattr(Store, "published", hang)
    put(first, "1.1.0")
    restarted = catalogue(patience_seconds=0.01)
    with followed(restarted):
        wait_until(lambda: restarted.current is not None)
        assert restarted.current is not None
        assert restarted.current.version == "1.0.0"
        released.set()
        wait_until(lambda: restarted.current is not None and restarted.current.version == "1.1.0")


def test_what_was_withdrawn_is_not_served_from_the_disk_while_its_successor_comes_down(
    catalogue: NewCatalogue,
    put: Callable[..., None],
    first: DemoModel,
    s3: Any,
    own_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(first, "2.0.0")
    catalogue().refresh()
    withdraw(s3, own_bucket, "2.0.0")
    put(first, "1.0.0")

    def unreachable(_: Store, version: Version) -> Any:
        raise StoreUnreachable(f"{version} does not come down")

    monkeypatch.setattr(Store, "opened", unreachable)
    assert version_after_refresh(catalogue()) is None
