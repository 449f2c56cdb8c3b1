"""Versions that an operator asked for: served beside the current one, by every process, as long as they fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.demo_model import NAME, DemoModel
from serving.shelf import Shelf
from serving.store import Store
from tests.serving.catalogue.following import NewCatalogue, followed, version_after_refresh, wait_until, withdraw


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
