"""Where API keys and the issuer's public keys come from, and the thread that reads them again and again.

Requests never wait for any of this: they use what was read last.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contract import access
from contract.access import ApiKeyRecord, InvalidRecord
from serving.access.tokens import InvalidKeySet

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 5
ATTEMPTS = 2
REFRESH_SECONDS = 10.0
SOONEST_SECONDS = 5.0
"""How soon after a read another may be asked for: made-up key ids in tokens must not become a load on the issuer."""
JITTER = 0.2
LARGEST_KEY_SET_BYTES = 262_144

_T = TypeVar("_T")


class SourceAway(Exception):
    """The source did not answer, or not with what it must: what was read last still counts."""


def client() -> DynamoDBClient:
    """A client that gives up in bounded time; region, credentials and endpoint come from the environment."""
    return boto3.client(
        "dynamodb",
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )


class KeyTable:
    """Every key of a DynamoDB table. One read costs a scan: half a read unit for each 4 KiB, some twelve keys."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def __call__(self) -> list[ApiKeyRecord]:
        """All pages or SourceAway: half a table would refuse good keys. A malformed item is left out and logged."""
        records: list[ApiKeyRecord] = []
        try:
            for page in self._dynamodb.get_paginator("scan").paginate(TableName=self._table):
                for item in page.get("Items", []):
                    try:
                        records.append(access.from_item(item))
                    except InvalidRecord as error:
                        logger.warning("a key of the table %s is refused: %s", self._table, error)
        except (BotoCoreError, ClientError) as error:
            raise SourceAway(f"scanning the table {self._table} failed: {error}") from error
        return records


class KeyFile:
    """The keys of a JSON file, for one machine and for tests. A fault anywhere in it keeps the last keys."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> tuple[ApiKeyRecord, ...]:
        try:
            return access.parse(self._path.read_bytes())
        except (OSError, InvalidRecord) as error:
            raise SourceAway(f"reading the keys of {self._path.name} failed: {error}") from error


class KeySetAddress:
    """The issuer's key set at an https address; plain http is for loopback only."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            raise ValueError(f"the key set's address {url!r} is not allowed: use https, or http on loopback")
        self._url = url
        # Its own opener: no redirects, whose target would escape the check above.
        self._opener = urllib.request.build_opener(_NoRedirects())

    def __call__(self) -> bytes:
        try:
            with self._opener.open(self._url, timeout=READ_TIMEOUT_SECONDS) as answer:
                body: bytes = answer.read(LARGEST_KEY_SET_BYTES + 1)
        except (OSError, ValueError) as error:
            raise SourceAway(f"reading the key set at {self._url} failed: {error}") from error
        if len(body) > LARGEST_KEY_SET_BYTES:
            raise SourceAway(f"the key set at {self._url} is larger than {LARGEST_KEY_SET_BYTES} bytes")
        return body


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Refresher(Generic[_T]):
    """Reads a source in a thread of its own, at once and then every so often, and publishes what it read.

    The pauses vary by a fifth either way, so that many pods do not read at the same moment. While the source is away
    the last publication stands; `age_seconds` says how old it is.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], _T],
        publish: Callable[[_T], None],
        *,
        every_seconds: float = REFRESH_SECONDS,
        soonest_seconds: float = SOONEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._read = read
        self._publish = publish
        self._every_seconds = every_seconds
        self._soonest_seconds = min(soonest_seconds, every_seconds)
        self._clock = clock
        self._published_at: float | None = None
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"refresh-{name}", daemon=True)

    def refresh(self) -> bool:
        """Read and publish now, in the calling thread; False when the source was away or had nothing usable."""
        started = self._clock()
        try:
            self._publish(self._read())
        except (SourceAway, InvalidKeySet) as error:
            logger.warning("%s stay as they are: %s", self._name, error)
            return False
        except Exception:
            # Whatever it was, the thread must live on: without it a revocation would never arrive.
            logger.exception("%s stay as they are", self._name)
            return False
        self._published_at = started
        return True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does so after the read it is at."""
        self._stopping.set()
        self._asked.set()

    def join(self, timeout_seconds: float) -> None:
        self._thread.join(timeout_seconds)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def ask(self) -> None:
        """Have the next read come early. Returns at once."""
        self._asked.set()

    def age_seconds(self) -> float | None:
        """How long ago the read began whose result counts now, or None before the first."""
        return None if self._published_at is None else self._clock() - self._published_at

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Cleared first: who asks during the read may know something newer than it.
            self._asked.clear()
            self.refresh()
            if self._stopping.wait(self._soonest_seconds):
                return
            pause = self._every_seconds * random.uniform(1 - JITTER, 1 + JITTER)
            self._asked.wait(max(0.0, pause - self._soonest_seconds))
