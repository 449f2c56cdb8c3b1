"""A feature store for tests: tables in moto as Feast leaves them, and a lookup in them with its counts."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import boto3
import pytest
import uvloop

from contract.features import FeatureColumn
from serving.features.breaker import Breaker
from serving.features.entities import Entities
from serving.features.lookup import FeatureLookup
from serving.features.plan import Plan
from serving.features.settings import TABLE_NAME_TEMPLATE, FeatureSettings
from serving.messages import Refused
from serving.model import Array
from tests.serving import feast_items
from tests.serving.conftest import CREDENTIALS
from tests.serving.feast_items import TIME_SECONDS

PATIENCE_SECONDS = 20
# Long enough for a busy machine where the store answers.
DEADLINE_MS = 10_000


class Counted:
    """The metrics that the lookup keeps."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.defaults = 0

    def feature_lookup(self, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes.append(outcome)

    def feature_defaults(self, count: int) -> None:
        self.defaults += count


class FeastStore:
    """A project of its own, in moto's DynamoDB."""

    def __init__(self, endpoint: str) -> None:
        self.client: Any = boto3.client(
            "dynamodb",
            endpoint_url=endpoint,
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        self.project = f"project-{uuid.uuid4()}"
        self.counted = Counted()

    def put(self, view: str, *items: dict[str, Any]) -> None:
        table = f"{self.project}.{view}"
        with contextlib.suppress(self.client.exceptions.ResourceInUseException):
            self.client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "entity_id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "entity_id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        for item in items:
            self.client.put_item(TableName=table, Item=item)

    def look_up(self, entities: Entities, *columns: FeatureColumn, datatype: str = "FP64") -> Array:
        lookup = lookup_of(lambda: self.client, counted=self.counted)
        return run(lookup.rows(self.plan(*columns, datatype=datatype), entities))

    def refusal(self, entities: Entities, *columns: FeatureColumn, datatype: str = "FP64") -> Refused:
        with pytest.raises(Refused) as caught:
            self.look_up(entities, *columns, datatype=datatype)
        assert self.counted.outcomes[-1] == caught.value.code
        return caught.value

    def plan(self, *columns: FeatureColumn, datatype: str = "FP64") -> Plan:
        return Plan(feast_items.features(self.project, *columns), datatype, TABLE_NAME_TEMPLATE)


def lookup_of(
    make_client: Callable[[], Any] | None,
    *,
    deadline_ms: int = DEADLINE_MS,
    threads: int = 4,
    counted: Counted | None = None,
    breaker: Breaker | None = None,
) -> FeatureLookup:
    settings = FeatureSettings(table_name_template=TABLE_NAME_TEMPLATE, deadline_ms=deadline_ms, threads=threads)
    return FeatureLookup(
        settings, counted or Counted(), make_client=make_client, breaker=breaker, clock=lambda: TIME_SECONDS
    )


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(asyncio.wait_for(coroutine, PATIENCE_SECONDS))


async def refused(coroutine: Coroutine[Any, Any, Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        await coroutine
    return caught.value
