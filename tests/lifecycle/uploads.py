"""A model of several parts, a bucket to publish it to, and connections that break off at a chosen call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import onnx
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from moto import mock_aws

from contract.metadata import ModelMetadata
from contract.objects import Version
from contract.variants import Variant
from ops import demo_model
from ops.models.parts import MIB, MIN_PART_BYTES
from ops.models.publish import publish
from serving.store import Published, Store
from tests.lifecycle.table import REGION

BUCKET = "models"
KEY = "models/big/v1.0.0/model.onnx"
VERSION = Version(1, 0, 0)
PARTS = 3
_PADDING_BYTES = (PARTS - 1) * MIN_PART_BYTES + MIB


@dataclass(frozen=True, kw_only=True)
class BigModel:
    """A real model whose file takes several parts, and a small variant of it."""

    onnx: Path
    variant: Path
    metadata: ModelMetadata

    @property
    def total_bytes(self) -> int:
        return self.onnx.stat().st_size + self.variant.stat().st_size

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `publish`, but for the client and the signer."""
        return {
            "bucket": BUCKET,
            "name": self.metadata.name,
            "version": self.metadata.version,
            "model_path": self.onnx,
            "metadata": self.metadata,
            "variants": {"fp16": self.variant},
        }


def big_model(folder: Path, *, seed: int = 0, version: Version = VERSION) -> BigModel:
    """Written into a folder, with padding of that seed: other bytes, the same answers."""
    data, metadata = _trained()
    model = onnx.load_from_string(data)
    padding = np.random.default_rng(seed).bytes(_PADDING_BYTES)
    model.graph.initializer.append(
        onnx.helper.make_tensor("padding", onnx.TensorProto.UINT8, [len(padding)], padding, raw=True)
    )
    path, variant = folder / f"big-{seed}.onnx", folder / "small.onnx"
    path.write_bytes(model.SerializeToString())
    variant.write_bytes(data)
    return BigModel(onnx=path, variant=variant, metadata=replace(metadata, version=version))


@cache
def _trained() -> tuple[bytes, ModelMetadata]:
    model = demo_model.train(VERSION, iterations=3)
    variant = Variant(name="fp16", file="model.fp16.onnx", precision="fp16")
    return model.onnx, replace(model.metadata, variants=(variant,))


@contextmanager
def account() -> Iterator[Any]:
    """An S3 client for an account in this process, with an empty bucket."""
    with mock_aws():
        s3 = client()
        s3.create_bucket(Bucket=BUCKET)
        yield s3


def client(endpoint: str | None = None) -> Any:
    """One that fails at once: retries are botocore's own affair."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


def random_file(path: Path, size: int, seed: int = 0) -> Path:
    path.write_bytes(np.random.default_rng(seed).bytes(size))
    return path


def published(s3: Any, folder: Path) -> list[Published]:
    """What the serving container sees."""
    return _store(s3, folder).published()


def verified(s3: Any, folder: Path, version: Version = VERSION) -> bytes:
    """The model's bytes as the serving container brings them to disk, having checked every file."""
    with _store(s3, folder).opened(version) as files:
        return files.model.read_bytes()


def _store(s3: Any, folder: Path) -> Store:
    return Store(s3, BUCKET, demo_model.NAME, folder / "cache")


def open_uploads(s3: Any) -> list[Any]:
    return s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


def broken_off() -> ConnectionClosedError:
    return ConnectionClosedError(endpoint_url="https://s3.example.com")


def s3_error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


def publish_telling(tells: Connection, endpoint: str, model: BigModel) -> None:
    """Publish, and tell of each call before it is made and once it is answered."""
    s3 = client(endpoint)
    for event in ("before-call.s3", "after-call.s3"):
        s3.meta.events.register(event, lambda model, **_: tells.send(model.name))
    publish(s3, **model.arguments)


class Calls:
    """Counts a client's calls, and can break the connection: from some call on none arrives, or its answer is lost."""

    def __init__(self, s3: Any) -> None:
        self.names: list[str] = []
        self.break_at: int | None = None
        """Counted from 1."""
        self.answer_lost = False
        """The call at which it breaks arrives still."""
        s3.meta.events.register("before-call.s3", self._before)
        s3.meta.events.register("after-call.s3", self._after)

    def count(self, name: str) -> int:
        return self.names.count(name)

    def _before(self, model: Any, **_: Any) -> None:
        self.names.append(model.name)
        if self.break_at is not None and len(self.names) >= self.break_at + self.answer_lost:
            raise broken_off()

    def _after(self, **_: Any) -> None:
        if self.break_at is not None and len(self.names) >= self.break_at:
            raise broken_off()
