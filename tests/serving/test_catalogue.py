"""Which version is served, decided against buckets in all the states that publishing and accidents leave them in."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from contract import checksums, metadata
from contract.metadata import Sample
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from localcloud.moto_server import free_port
from ops.demo_model import INPUT, NAME, DemoModel
from serving.catalogue import Catalogue
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.shelf import Shelf
from serving.store import Files, Published, Store, StoreUnreachable
from tests.serving.conftest import Publish
from tests.serving.process import PATIENCE_SECONDS

NewCatalogue = Callable[..., Catalogue]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def catalogue(s3: Any, own_bucket: str, cache: Path) -> NewCatalogue:
    def make(metrics: Metrics | None = None, s3: Any = s3, **settings: Any) -> Catalogue:
        def open_version(files: Files) -> Predictor:
            return Predictor.load(files.metadata, files.model)

        return Catalogue(Store(s3, own_bucket, NAME, cache), open_version, metrics or Metrics(), **settings)

    return make


@pytest.fixture
def away() -> Any:
    """An S3 whose port is closed."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


@contextmanager
def followed(catalogue: Catalogue) -> Generator[None]:
    """The catalogue's thread, which looks at the bucket by itself only once an hour."""
    stop = threading.Event()
    thread = threading.Thread(target=catalogue.follow, args=(stop,), kwargs={"every_seconds": 3600})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        catalogue.wake()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def withdraw(s3: Any, bucket: str, version: str) -> None:
    s3.delete_object(Bucket=bucket, Key=f"{version_prefix(NAME, Version.parse(version))}{CHECKSUMS_FILE}")


@pytest.fixture
def put(s3: Any, own_bucket: str) -> Callable[..., None]:
    """Writes a version's objects as they are given, whatever they are; those that are None are left out."""

    def run(model: DemoModel, version: str, /, **changed: bytes | None) -> None:
        described = replace(model.metadata, version=Version.parse(version))
        files: dict[str, bytes | None] = {"model": model.onnx, "metadata": metadata.render(described)}
        files |= {part: data for part, data in changed.items() if part != "checksums"}
        names = {"model": MODEL_FILE, "metadata": METADATA_FILE, "checksums": CHECKSUMS_FILE}
        digests = {names[part]: digest(data) for part, data in files.items() if data is not None}
        files["checksums"] = changed.get("checksums", checksums.render(digests))
        for part, data in files.items():
            if data is not None:
                key = f"{version_prefix(NAME, Version.parse(version))}{names[part]}"
                s3.put_object(Bucket=own_bucket, Key=key, Body=data)

    return run


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def version_after_refresh(catalogue: Catalogue) -> str | None:
    catalogue.refresh()
    return catalogue.current.version if catalogue.current else None


def test_the_highest_release_is_served_by_number_and_not_by_spelling(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel
) -> None:
    for version in ("1.9.0", "1.10.0", "2.0.0-rc.1"):
        put(first, version)
    assert version_after_refresh(catalogue()) == "1.10.0"
    assert version_after_refresh(catalogue(pinned=Version.parse("2.0.0-rc.1"))) == "2.0.0-rc.1"


def test_a_version_without_checksums_is_not_there_yet(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel
) -> None:
    put(first, "1.0.0")
    put(first, "2.0.0", checksums=None)
    assert version_after_refresh(catalogue()) == "1.0.0"


def corruptions(model: DemoModel) -> dict[str, dict[str, bytes | None]]:
    sample = model.metadata.sample
    assert sample is not None
    wrong = replace(sample, outputs={**sample.outputs, "label": [9] * len(sample.outputs["label"])})
    at_2 = replace(model.metadata, version=Version(2, 0, 0))
    other_input = replace(at_2, inputs=(replace(at_2.inputs[0], name="rows"),), sample=None)
    outside = {"algorithm": "sha256", "files": {"../../escaped": "0" * 64}}
    good = {MODEL_FILE: digest(model.onnx), METADATA_FILE: digest(metadata.render(at_2))}
    return {
        "the model has other bytes than promised": {"checksums": checksums.render({**good, MODEL_FILE: "0" * 64})},
        "a file is missing": {"model": None, "checksums": checksums.render(good)},
        "the checksums are no JSON": {"checksums": b"sha256"},
        "the checksums name a path": {"checksums": json.dumps(outside).encode()},
        "the checksums leave out the model": {"checksums": checksums.render({METADATA_FILE: good[METADATA_FILE]})},
        "the metadata is of another version": {"metadata": metadata.render(model.metadata)},
        "the metadata lacks its fields": {"metadata": b"{}"},
        "the model is no ONNX": {"model": b"\x80\x04pickle"},
        "the model has other inputs than its metadata": {"metadata": metadata.render(other_input)},
        "the model does not answer its sample": {"metadata": metadata.render(replace(at_2, sample=wrong))},
        "the sample has rows of another width": {
            "metadata": metadata.render(replace(at_2, sample=Sample(inputs={INPUT: [[1.0]]}, outputs=wrong.outputs)))
        },
    }


REASONS = {
    "the model has other bytes than promised": "model.onnx has the SHA-256",
    "a file is missing": "model.onnx is missing",
    "the checksums are no JSON": "checksums.json is not a JSON document",
    "the checksums name a path": "not a plain name",
    "the checksums leave out the model": "leaves out model.onnx",
    "the metadata is of another version": "its metadata.json is that of breast-cancer 1.0.0",
    "the metadata lacks its fields": "no 'schema_version'",
    "the model is no ONNX": "ONNX Runtime does not open model.onnx",
    "the model has other inputs than its metadata": "has the inputs ['features'], its metadata names ['rows']",
    "the model does not answer its sample": "does not answer the sample",
    "the sample has rows of another width": "does not fit the model's inputs",
}


@pytest.mark.parametrize("fault", REASONS)
def test_a_spoilt_version_is_refused_once_and_the_server_stays_with_what_it_has(
    fault: str,
    catalogue: NewCatalogue,
    put: Callable[..., None],
    first: DemoModel,
    cache: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    following = catalogue(metrics=metrics)
    put(first, "1.0.0")
    assert version_after_refresh(following) == "1.0.0"

    put(first, "2.0.0", **corruptions(first)[fault])
    with caplog.at_level(logging.ERROR, logger="serving"):
        assert [version_after_refresh(following) for _ in range(3)] == ["1.0.0"] * 3
    [refusal] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert REASONS[fault] in refusal
    assert refusal.endswith("still serving 1.0.0")
    assert metrics.page()[0].count(b"model_errors_total{") == 1
    assert [path.name for path in (cache / NAME).iterdir() if path.name.startswith("unfinished")] == []

    put(first, "2.0.0")
    assert version_after_refresh(following) == "2.0.0"


def test_with_only_a_spoilt_version_nothing_is_served(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel
) -> None:
    put(first, "1.0.0", model=b"")
    assert version_after_refresh(catalogue()) is None


def test_withdrawing_a_version_takes_the_server_back_to_the_one_before(
    catalogue: NewCatalogue, put: Callable[..., None], s3: Any, own_bucket: str, first: DemoModel
) -> None:
    put(first, "1.0.0")
    put(first, "2.0.0")
    following = catalogue()
    assert version_after_refresh(following) == "2.0.0"
    withdraw(s3, own_bucket, "2.0.0")
    assert version_after_refresh(following) == "1.0.0"


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


def test_an_operator_has_a_version_served_beside_the_current_one_until_it_is_taken_back(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel
) -> None:
    shelf = Shelf()
    following = catalogue(shelf=shelf)
    for version in ("1.0.0", "1.1.0-rc.1", "1.1.0"):
        put(first, version)
    assert version_after_refresh(following) == "1.1.0"
    with followed(following):
        following.ask("1.1.0-rc.1", wanted=True)
        wait_until(lambda: shelf.find(NAME, "1.1.0-rc.1") is not None)
        assert shelf.find(NAME) is shelf.find(NAME, "1.1.0")
        following.ask("1.1.0-rc.1", wanted=False)
        wait_until(lambda: shelf.find(NAME, "1.1.0-rc.1") is None)
    assert [predictor.version for predictor in shelf.loaded()] == ["1.1.0"]


def test_what_an_operator_asked_for_reaches_every_process_on_the_disk_and_survives_a_restart(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel, s3: Any, own_bucket: str
) -> None:
    put(first, "1.0.0")
    put(first, "1.1.0")
    asking, shelf = catalogue(), Shelf()
    with followed(asking):
        asking.ask("1.0.0", wanted=True)
        wait_until(lambda: any(entry.version == "1.0.0" and entry.loaded for entry in asking.entries()))
    other = catalogue(shelf=shelf)
    assert version_after_refresh(other) == "1.1.0"
    assert shelf.find(NAME, "1.0.0") is not None

    withdraw(s3, own_bucket, "1.0.0")
    other.refresh()
    assert shelf.find(NAME, "1.0.0") is None


def test_what_was_asked_for_and_does_not_fit_is_not_tried_again_by_itself(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel, s3: Any, own_bucket: str, cache: Path
) -> None:
    put(first, "1.0.0")
    put(first, "1.1.0")
    following = catalogue(shelf=Shelf(len(first.onnx)))
    store = Store(s3, own_bucket, NAME, cache)
    store.disk.ask(NAME, "1.0.0", wanted=True)
    assert version_after_refresh(following) == "1.1.0"
    assert store.disk.asked(NAME) == set()
    assert "bytes of memory" in following.entries()[1].reason


def test_the_entries_say_what_is_served_and_why_the_rest_is_not(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel
) -> None:
    put(first, "1.0.0")
    put(first, "2.0.0", model=b"no model")
    following = catalogue()
    following.refresh()
    highest, served = following.entries()
    assert (highest.version, highest.loaded, highest.current) == ("2.0.0", False, False)
    assert "does not open" in highest.reason
    assert (served.version, served.loaded, served.current, served.reason) == ("1.0.0", True, True, "")


def test_a_model_beyond_the_memory_is_refused_and_the_one_before_stays(
    catalogue: NewCatalogue,
    put: Callable[..., None],
    first: DemoModel,
    second: DemoModel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert len(second.onnx) < len(first.onnx)
    put(second, "1.0.0")
    following = catalogue(shelf=Shelf(len(first.onnx) - 1))
    assert version_after_refresh(following) == "1.0.0"
    put(first, "2.0.0")
    with caplog.at_level(logging.ERROR, logger="serving"):
        assert [version_after_refresh(following) for _ in range(2)] == ["1.0.0"] * 2
    [told] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert f"takes {len(first.onnx)} bytes of memory" in told
    assert told.endswith("still serving 1.0.0")


def test_changing_over_needs_no_more_memory_than_the_new_version_takes(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel
) -> None:
    following = catalogue(shelf=Shelf(len(first.onnx)))
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        put(first, version)
        assert version_after_refresh(following) == version


def test_only_the_version_that_is_served_is_marked_in_the_metrics(
    catalogue: NewCatalogue, put: Callable[..., None], first: DemoModel
) -> None:
    metrics = Metrics()
    following = catalogue(metrics=metrics)
    for version in ("1.0.0", "2.0.0"):
        put(first, version)
        following.refresh()
    marks = [line for line in metrics.page()[0].splitlines() if line.startswith(b"model_version{")]
    assert marks == [b'model_version{name="breast-cancer",version="2.0.0"} 1.0']
