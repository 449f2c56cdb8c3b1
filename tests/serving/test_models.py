"""Several models and versions at once: what requests find, what leaves for want of memory, and when all is ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from contract.objects import Version
from ops.demo_model import DemoModel
from ops.models.publish import publish
from serving.metrics import Metrics
from serving.models import Models
from serving.predictor import Predictor
from serving.shelf import NoMemory, Shelf
from serving.signature import TrustedKeys
from serving.store import Files
from serving.wanted import Wanted, wanted
from tests.serving.process import PATIENCE_SECONDS


class FakePredictor:
    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version


def put(shelf: Shelf, name: str, version: str, size: int, *, current: bool = False) -> list[tuple[str, str]]:
    evicted = shelf.reserve(name, version, size, current=current)
    shelf.put(cast(Predictor, FakePredictor(name, version)), current=current)
    return evicted


def versions(shelf: Shelf) -> set[tuple[str, str]]:
    return {(predictor.name, predictor.version) for predictor in shelf.loaded()}


def test_a_request_finds_the_current_version_or_the_one_that_it_names() -> None:
    shelf = Shelf()
    put(shelf, "churn", "1.0.0", 1, current=True)
    put(shelf, "churn", "0.9.0", 1)
    put(shelf, "fraud", "1.0.0", 1, current=True)
    assert shelf.find("churn") is shelf.find("churn", "1.0.0")
    assert shelf.find("churn", "0.9.0") is not shelf.find("churn")
    assert shelf.find("fraud") is not shelf.find("churn")
    for absent in (("churn", "2.0.0"), ("churn", ""), ("fraud", "0.9.0"), ("other", None), ("", None)):
        assert shelf.find(*absent) is None


def test_changing_over_takes_the_version_before_away_unless_it_was_asked_for() -> None:
    shelf = Shelf()
    put(shelf, "churn", "1.0.0", 1, current=True)
    put(shelf, "churn", "1.1.0", 1, current=True)
    assert versions(shelf) == {("churn", "1.1.0")}
    shelf.reserve("churn", "1.2.0", 1, current=True)
    shelf.put(cast(Predictor, FakePredictor("churn", "1.2.0")), current=True, keep_before=True)
    assert versions(shelf) == {("churn", "1.1.0"), ("churn", "1.2.0")}


def test_the_version_used_longest_ago_makes_room_and_a_current_one_never_does() -> None:
    shelf = Shelf(100)
    put(shelf, "churn", "2.0.0", 40, current=True)
    put(shelf, "churn", "1.0.0", 20)
    put(shelf, "fraud", "1.0.0", 20)
    shelf.find("churn", "1.0.0")
    assert put(shelf, "churn", "1.1.0", 40) == [("fraud", "1.0.0")]
    assert versions(shelf) == {("churn", "2.0.0"), ("churn", "1.0.0"), ("churn", "1.1.0")}
    assert shelf.find("fraud", "1.0.0") is None


def test_what_cannot_fit_evicts_nothing() -> None:
    shelf = Shelf(100)
    put(shelf, "churn", "2.0.0", 40, current=True)
    put(shelf, "churn", "1.0.0", 20)
    with pytest.raises(NoMemory, match=r"churn 1\.1\.0 takes 61 bytes of memory, and 60 of 100 can be made free"):
        shelf.reserve("churn", "1.1.0", 61, current=False)
    assert versions(shelf) == {("churn", "2.0.0"), ("churn", "1.0.0")}


def test_a_model_changes_over_within_the_bound_beside_other_current_ones() -> None:
    shelf = Shelf(100)
    put(shelf, "churn", "1.0.0", 60, current=True)
    put(shelf, "fraud", "1.0.0", 40, current=True)
    put(shelf, "churn", "1.1.0", 60, current=True)
    with pytest.raises(NoMemory, match="61 bytes of memory, and 60 of 100"):
        shelf.reserve("churn", "1.2.0", 61, current=True)
    assert versions(shelf) == {("churn", "1.1.0"), ("fraud", "1.0.0")}


def test_what_is_being_loaded_holds_its_room_until_it_failed() -> None:
    shelf = Shelf(100)
    shelf.reserve("churn", "1.0.0", 60, current=True)
    with pytest.raises(NoMemory):
        shelf.reserve("fraud", "1.0.0", 60, current=True)
    shelf.release("churn", "1.0.0")
    put(shelf, "fraud", "1.0.0", 60, current=True)


def test_dropping_spares_the_current_version() -> None:
    shelf = Shelf()
    put(shelf, "churn", "1.0.0", 1, current=True)
    put(shelf, "churn", "0.9.0", 1)
    assert not shelf.drop("churn", "1.0.0")
    assert shelf.drop("churn", "0.9.0")
    assert not shelf.drop("churn", "0.9.0")
    assert versions(shelf) == {("churn", "1.0.0")}


def test_every_look_up_finds_a_version_while_versions_change_under_it() -> None:
    shelf = Shelf(10)
    put(shelf, "churn", "1.0.0", 1, current=True)
    stop, misses = threading.Event(), list[str]()

    def look() -> None:
        while not stop.is_set():
            found = shelf.find("churn")
            if found is None or shelf.find("churn", found.version) not in (found, None):
                misses.append("churn")

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for minor in range(500):
        put(shelf, "churn", f"1.{minor}.1", 1, current=True)
        put(shelf, "fraud", f"1.{minor}.0", 5)
    stop.set()
    for looker in lookers:
        looker.join(PATIENCE_SECONDS)
    assert misses == []


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("churn", (Wanted("churn"),)),
        ("churn,fraud", (Wanted("churn"), Wanted("fraud"))),
        ("fraud=1.2.3-rc.1 , churn", (Wanted("fraud", Version.parse("1.2.3-rc.1")), Wanted("churn"))),
    ],
)
def test_models_are_named_with_commas_and_pinned_with_an_equals_sign(text: str, models: tuple[Wanted, ...]) -> None:
    assert wanted(text) == models


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "model name '' is not allowed"),
        ("*", "model name '\\*' is not allowed"),
        ("churn,", "model name '' is not allowed"),
        ("churn=", "model version '' is not a semantic version"),
        ("churn=1", "model version '1' is not a semantic version.*such as churn=1.2.3, with commas"),
        ("churn,churn=1.0.0", "must name each model once"),
        (",".join(f"m{number}" for number in range(65)), "at most 64 of them"),
    ],
)
def test_names_that_cannot_be_served_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        wanted(text)


Put = Callable[..., None]
Start = Callable[..., Models]


@pytest.fixture
def publish_as(s3: Any, own_bucket: str, tmp_path: Path) -> Put:
    def run(model: DemoModel, name: str, version: str) -> None:
        path = tmp_path / "to-publish.onnx"
        path.write_bytes(model.onnx)
        at = Version.parse(version)
        publish(s3, own_bucket, name, at, path, replace(model.metadata, name=name, version=at))

    return run


@pytest.fixture
def start(s3: Any, own_bucket: str, tmp_path: Path) -> Generator[Start]:
    """Models of the test's bucket, followed from now on; they look again by themselves after `every_seconds`."""
    started: list[Models] = []

    def run(named: str, *, every_seconds: float = 3600, **bounds: int) -> Models:
        def open_version(files: Files) -> Predictor:
            return Predictor.load(files.metadata, files.model)

        models = Models.of_bucket(
            s3,
            own_bucket,
            wanted(named),
            open_version,
            Metrics(),
            cache_dir=tmp_path / "cache",
            trusted=TrustedKeys(),
            **bounds,
        )
        models.start(every_seconds=every_seconds)
        started.append(models)
        return models

    yield run
    for models in started:
        models.stop()
    for thread in threading.enumerate():
        if thread.name.startswith("catalogue-"):
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def found(models: Models, name: str, version: str | None = None) -> str | None:
    predictor = models.find(name, version)
    return None if predictor is None else f"{predictor.name} {predictor.version}"


def test_the_server_is_ready_when_every_named_model_has_a_version(
    start: Start, publish_as: Put, first: DemoModel
) -> None:
    publish_as(first, "churn", "1.0.0")
    models = start("churn,fraud", every_seconds=0.05)
    wait_until(lambda: found(models, "churn") is not None)
    assert (models.ready, models.missing, models.default) == (False, ("fraud",), "churn")
    publish_as(first, "fraud", "3.0.0")
    wait_until(lambda: models.ready)
    assert (found(models, "churn"), found(models, "fraud")) == ("churn 1.0.0", "fraud 3.0.0")
    assert found(models, "other") is None


def test_a_pinned_model_stays_while_another_follows(start: Start, publish_as: Put, first: DemoModel) -> None:
    for name in ("churn", "fraud"):
        publish_as(first, name, "1.0.0")
        publish_as(first, name, "2.0.0")
    models = start("churn=1.0.0,fraud")
    wait_until(lambda: models.ready)
    assert (found(models, "churn"), found(models, "fraud")) == ("churn 1.0.0", "fraud 2.0.0")


def test_loading_and_unloading_do_not_wait_and_are_seen_in_the_index(
    start: Start, publish_as: Put, first: DemoModel
) -> None:
    publish_as(first, "churn", "1.0.0")
    publish_as(first, "churn", "1.1.0")
    models = start("churn")
    wait_until(lambda: models.ready)
    assert [(entry.version, entry.loaded, entry.current) for entry in models.index()] == [
        ("1.1.0", True, True),
        ("1.0.0", False, False),
    ]
    assert models.load("churn", "1.0.0")
    wait_until(lambda: found(models, "churn", "1.0.0") == "churn 1.0.0")
    assert [entry.loaded for entry in models.index()] == [True, True]
    assert models.unload("churn", "1.0.0")
    wait_until(lambda: found(models, "churn", "1.0.0") is None)


def test_what_is_not_published_cannot_be_loaded_and_the_current_version_not_unloaded(
    start: Start, publish_as: Put, first: DemoModel
) -> None:
    publish_as(first, "churn", "1.0.0")
    models = start("churn")
    wait_until(lambda: models.ready)
    for name, version in (("churn", "9.0.0"), ("churn", "../1.0.0"), ("other", "1.0.0")):
        assert not models.load(name, version)
        assert not models.unload(name, version)
    assert not models.unload("churn", "1.0.0")


def test_a_version_evicted_from_memory_is_not_brought_back_in_circles(
    start: Start, publish_as: Put, first: DemoModel
) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        publish_as(first, "churn", version)
    models = start("churn", every_seconds=0.05, max_memory_bytes=2 * len(first.onnx))
    wait_until(lambda: models.ready)
    models.load("churn", "1.0.0")
    wait_until(lambda: found(models, "churn", "1.0.0") is not None)
    models.load("churn", "1.1.0")
    wait_until(lambda: found(models, "churn", "1.1.0") is not None)
    time.sleep(0.3)
    assert {predictor.version for predictor in models.loaded()} == {"1.2.0", "1.1.0"}
