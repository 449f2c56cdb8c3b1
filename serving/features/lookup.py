"""Rows for a request that names entities: looked up, checked, and either all there or refused."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from contract.features import Features
from serving.features import store
from serving.features.breaker import Breaker
from serving.features.entities import ENTITIES, Entities
from serving.features.plan import Plan
from serving.features.settings import FeatureSettings
from serving.features.store import OnlineStore, StoreAway, StoreBusy
from serving.messages import Refused
from serving.model import Array
from serving.patience import answered_within

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = logging.getLogger(__name__)

OK, ABANDONED = "ok", "abandoned"
AWAY_CODE, BUSY_CODE = "features_unavailable", "features_overloaded"
RETRY_AFTER_SECONDS = 1

_NO_ENTITY = "-"
"""No hash looks like it: what is asked for to see whether the store answers."""


class FeatureMetrics(Protocol):
    """What is counted; both labels' values come from small fixed sets."""

    def feature_lookup(self, outcome: str, seconds: float) -> None:
        """One request's lookup: `ok`, the code that it was refused with, or `abandoned` by its caller."""
        ...

    def feature_defaults(self, count: int) -> None:
        """Values of an answered request that were the model's defaults: many of them say that the store is stale."""
        ...


class FeatureLookup:
    """One worker's lookups for all its models, on its event loop. It costs nothing before the first plan is opened."""

    def __init__(
        self,
        settings: FeatureSettings,
        metrics: FeatureMetrics,
        *,
        make_client: Callable[[], DynamoDBClient] | None = None,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._deadline_seconds = settings.deadline_ms / 1000
        self._breaker = breaker or Breaker()
        self._store = OnlineStore(
            make_client or partial(store.client, timeout_seconds=self._deadline_seconds, connections=settings.threads),
            threads=settings.threads,
            breaker=self._breaker,
        )
        self._clock = clock

    def plan(self, features: Features, datatype: str) -> Plan:
        """How a model version's rows are looked up; raise ModelRefused for a default that its input cannot hold."""
        return Plan(features, datatype, self._settings.table_name_template)

    def open(self, plan: Plan) -> bool:
        """Make the client and connect, which is too slow for a request; False, and logged, where a table cannot be
        read. For the thread that loads the model: the version serves all the same, for requests that bring rows."""
        try:
            _, left = self._store.read([(view, _NO_ENTITY) for view in plan.views])
        except StoreAway:
            return False
        return not left

    async def rows(self, plan: Plan, entities: Entities) -> Array:
        """The model's input, of its datatype and the shape (rows, columns).

        Raise Refused: 422 for features that are missing or too old, 500 for what is stored and does not suit the
        input, 503 within the deadline where the store does not answer.
        """
        started = time.perf_counter()
        outcome = ABANDONED
        try:
            rows, defaults = await self._rows(plan, entities)
            outcome = OK
        except Refused as refused:
            outcome = refused.code
            raise
        finally:
            self._metrics.feature_lookup(outcome, time.perf_counter() - started)
        if defaults:
            self._metrics.feature_defaults(defaults)
        return rows

    def close(self) -> None:
        """Begin no further lookups."""
        self._store.close()

    async def _rows(self, plan: Plan, entities: Entities) -> tuple[Array, int]:
        wait_seconds = self._breaker.wait_seconds()
        if wait_seconds:
            raise _unavailable(AWAY_CODE, "the feature store is away: try again", math.ceil(wait_seconds))
        keys = plan.keys(entities)
        try:
            async with answered_within(self._deadline_seconds):
                entries = await self._store.entries([*chain.from_iterable(keys)])
        except StoreBusy:
            raise _unavailable(
                BUSY_CODE, "more features are asked for than the feature store can answer in time: try again"
            ) from None
        except StoreAway:
            raise _unavailable(AWAY_CODE, "the feature store does not answer: try again") from None
        except TimeoutError:
            message = f"the feature store did not answer within {self._settings.deadline_ms} ms: try again"
            raise _unavailable(AWAY_CODE, message) from None
        return plan.rows(keys, entries, self._clock())


def _unavailable(code: str, message: str, retry_after_seconds: int = RETRY_AFTER_SECONDS) -> Refused:
    headers = [(b"retry-after", b"%d" % retry_after_seconds)]
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, code, message, field=ENTITIES, headers=headers)
