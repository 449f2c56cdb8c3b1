"""Catalogues over the test's own bucket and disk, and versions written to it whatever they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract import checksums, metadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from ops.demo_model import NAME, DemoModel
from serving.catalogue import Catalogue
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.store import Files, Store
from tests.serving.catalogue.following import NewCatalogue, digest


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
