"""Catalogues over a bucket that a test writes to, followed by their thread or looked at once."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from contract.objects import CHECKSUMS_FILE, Version, version_prefix
from ops.demo_model import NAME
from serving.catalogue import Catalogue
from tests.serving.process import PATIENCE_SECONDS

NewCatalogue = Callable[..., Catalogue]


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


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def version_after_refresh(catalogue: Catalogue) -> str | None:
    catalogue.refresh()
    return catalogue.current.version if catalogue.current else None
