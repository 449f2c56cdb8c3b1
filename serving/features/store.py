"""Asks the online store: BatchGetItem calls in a few threads, so that the event loop goes on meanwhile.

All that concerns another machine's moods is here: what is left over is asked for again, failures are told apart and
logged, and a store that does not answer is left alone for a while.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError

from serving.features.breaker import Breaker
from serving.features.plan import Entry, Key, batches, entries_of, request_items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = logging.getLogger(__name__)

MOST_KEYS = 100
"""In one BatchGetItem, over all tables: the service's limit."""
WAITING_PER_THREAD = 16
"""More calls than these would wait for a thread longer than any request's deadline."""
BACKOFF_SECONDS = 0.005
"""Before the second attempt, at most; each further one may wait twice as long."""
LOG_EVERY_SECONDS = 10.0
"""For each reason: a store that is away fails every request."""

_THROTTLED = {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}
_FIRST_SERVER_ERROR = 500


class StoreAway(Exception):
    """The store did not answer, or not with items; the message is for the log."""


class StoreBusy(Exception):
    """More calls are waiting than the store can answer in time."""


def client(*, timeout_seconds: float, connections: int) -> DynamoDBClient:
    """A client that gives up with the request; region, credentials and endpoint come from the environment."""
    return boto3.client(
        "dynamodb",
        config=Config(
            connect_timeout=timeout_seconds,
            read_timeout=timeout_seconds,
            # Attempts are made here, within the deadline: the SDK's own back off for up to a second.
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=connections,
            # The requests are made by this package alone.
            parameter_validation=False,
            tcp_keepalive=True,
        ),
    )


class OnlineStore:
    """One worker's way to the store. Nothing is started and no client made before the first call."""

    def __init__(self, make_client: Callable[[], DynamoDBClient], *, threads: int, breaker: Breaker) -> None:
        self._make_client = make_client
        self._breaker = breaker
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="features")
        self._client: DynamoDBClient | None = None
        self._opening = threading.Lock()
        self._under_way = 0
        self._counting = threading.Lock()
        self._logged: dict[str, float] = {}

    async def entries(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """What the store has of these keys; raise StoreAway or StoreBusy. The caller limits the time."""
        parts = batches(keys, MOST_KEYS)
        if len(parts) == 1:
            return await self._batch(parts[0])
        found: dict[Key, Entry] = {}
        left = iter(parts)

        async def take_turns() -> None:
            for part in left:
                found.update(await self._batch(part))

        # One request may fill the threads, and not the queue before them.
        tasks = [asyncio.ensure_future(take_turns()) for _ in range(min(len(parts), self._threads))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return found

    def read(self, keys: Sequence[Key]) -> tuple[dict[Key, Entry], Sequence[Key]]:
        """One call, in the calling thread: what it found, and the keys to ask for again. Raise StoreAway."""
        try:
            answer = self._opened().batch_get_item(RequestItems=cast(Any, request_items(keys)))
            found = entries_of(keys, answer)
        except ClientError as error:
            return self._refused(error, keys)
        except ConnectionClosedError as error:
            # The store closes connections that were idle; another one is good.
            self._failed(type(error).__name__)
            return {}, keys
        except Exception as error:
            # Whatever the library raises for an answer that it cannot read, the request must get one.
            self._failed(type(error).__name__)
            raise StoreAway(type(error).__name__) from (error if isinstance(error, BotoCoreError) else None)
        if self._breaker.succeeded():
            logger.warning("the online store answers again")
        return found

    def close(self) -> None:
        """Start no further call; those under way end by their timeouts."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _batch(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        found, left = await self._call(keys)
        pause_seconds = BACKOFF_SECONDS
        while left:
            await asyncio.sleep(random.uniform(pause_seconds / 2, pause_seconds))
            pause_seconds *= 2
            more, left = await self._call(left)
            found.update(more)
        return found

    async def _call(self, keys: Sequence[Key]) -> tuple[dict[Key, Entry], Sequence[Key]]:
        with self._counting:
            if self._under_way >= self._threads * (1 + WAITING_PER_THREAD):
                raise StoreBusy
            self._under_way += 1
        call = self._pool.submit(self.read, keys)
        # Also when the request gives up first: the thread is busy until the call ends.
        call.add_done_callback(self._ended)
        return await asyncio.wrap_future(call)

    def _ended(self, _: Future[Any]) -> None:
        with self._counting:
            self._under_way -= 1

    def _opened(self) -> DynamoDBClient:
        if self._client is None:
            with self._opening:
                self._client = self._client or self._make_client()
        return self._client

    def _refused(self, error: ClientError, keys: Sequence[Key]) -> tuple[dict[Key, Entry], Sequence[Key]]:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _THROTTLED or status >= _FIRST_SERVER_ERROR:
            self._failed(code)
            return {}, keys
        # The store is there; this table, or the right to read it, is not.
        tables = ", ".join(sorted({view.table for view, _ in keys}))
        self._tell(f"{code} for {tables}")
        raise StoreAway(code) from None

    def _failed(self, reason: str) -> None:
        if self._breaker.failed():
            logger.error("the online store is left alone for a while: %s", reason)
        else:
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        # The library's own messages may quote what was asked for.
        now = time.monotonic()
        if now - self._logged.get(reason, -LOG_EVERY_SECONDS) >= LOG_EVERY_SECONDS:
            self._logged[reason] = now
            logger.warning("the online store did not answer: %s", reason)
