"""How much an upload does at once: its memory, its threads, and where it stops."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from ops.models.parts import MIB, MIN_PART_BYTES, Source
from ops.models.upload import upload
from tests.lifecycle.uploads import BUCKET, KEY, broken_off, random_file

PATIENCE_SECONDS = 20


class NoStorage:
    """Takes parts and forgets them, so that what remains is what the upload itself does."""

    def __init__(self) -> None:
        self.taken = 0

    def get_paginator(self, name: str) -> NoStorage:
        assert name == "list_multipart_uploads"
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return [{}]

    def create_multipart_upload(self, **_: Any) -> Any:
        return {"UploadId": "upload"}

    def upload_part(self, Body: bytes, **_: Any) -> Any:
        self.taken += len(Body)
        return {"ETag": "etag"}

    def complete_multipart_upload(self, **_: Any) -> Any:
        return {}


def test_memory_is_bounded_by_the_threads_whatever_the_file_has(tmp_path: Path) -> None:
    threads, parts = 2, 24
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(parts * MIN_PART_BYTES)
    storage: Any = NoStorage()
    tracemalloc.start()
    try:
        upload(storage, Source(path), BUCKET, KEY, threads=threads)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert storage.taken == parts * MIN_PART_BYTES
    assert peak < (threads + 2) * MIN_PART_BYTES + MIB


def test_as_many_parts_are_under_way_as_there_are_threads(tmp_path: Path) -> None:
    threads = 3
    together = threading.Barrier(threads)

    class Waiting(NoStorage):
        def upload_part(self, Body: bytes, **arguments: Any) -> Any:
            together.wait(PATIENCE_SECONDS)
            return super().upload_part(Body, **arguments)

    storage: Any = Waiting()
    path = random_file(tmp_path / "file", threads * MIN_PART_BYTES)
    assert upload(storage, Source(path), BUCKET, KEY, threads=threads).created


def test_nothing_further_is_begun_after_a_failure(tmp_path: Path) -> None:
    class Breaking(NoStorage):
        def upload_part(self, Body: bytes, **arguments: Any) -> Any:
            super().upload_part(Body, **arguments)
            raise broken_off()

    storage: Any = Breaking()
    path = random_file(tmp_path / "file", 12 * MIN_PART_BYTES)
    with pytest.raises(ConnectionClosedError):
        upload(storage, Source(path), BUCKET, KEY, threads=1)
    assert storage.taken <= 3 * MIN_PART_BYTES
