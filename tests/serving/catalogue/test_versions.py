"""Which version is served, decided against buckets in all the states that publishing and accidents leave them in."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract import checksums, metadata
from contract.metadata import Sample
from contract.objects import METADATA_FILE, MODEL_FILE, Version
from ops.demo_model import INPUT, NAME, DemoModel
from serving.metrics import Metrics
from serving.shelf import Shelf
from tests.serving.catalogue.following import NewCatalogue, digest, version_after_refresh, withdraw


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
