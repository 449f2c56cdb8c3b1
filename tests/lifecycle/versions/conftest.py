"""A production platform of two regions in this process, and versions published to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from ops import platform as platforms
from tests.lifecycle.table import create_table
from tests.lifecycle.versions.world import OUTPUTS, SESSION, World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Versioned buckets in both regions and an empty table; commands find its outputs as those of every environment."""
    for name in ("SERVEML_ENV", "SERVEML_TRUSTED_KEYS", "SERVEML_API_KEY", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(platforms, "FOLDER", tmp_path / "outputs")
    # Reading the service descriptions anew for each platform takes longer than most tests.
    monkeypatch.setattr(platforms.Platform, "_session", SESSION)
    with mock_aws():
        made = World(tmp_path, monkeypatch)
        create_table(made.platform.dynamodb)
        for region in OUTPUTS.regions:
            for bucket in (OUTPUTS.models_buckets[region], OUTPUTS.staging_buckets[region]):
                create_bucket(made.s3(region), bucket, region)
        yield made


def create_bucket(s3: Any, bucket: str, region: str) -> None:
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **where)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
