"""The deployments table as pods use it: they read the records of their models, and report what they hold."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contract import deployment as documents
from contract import registry
from contract.deployment import Deployment, InvalidDeployment, Report

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 2
ATTEMPTS = 2
REPORT_KEPT_SECONDS = 3600
"""After a worker's last report: one that was killed is forgotten by then."""


class TableAway(Exception):
    """The table did not answer: what was read last still counts."""


class Read(NamedTuple):
    """What the table said. A model without a record is in neither."""

    records: Mapping[str, Deployment]
    refused: Mapping[str, str]
    """By name: why the record there cannot be followed."""


def client() -> DynamoDBClient:
    """A client that gives up soon; region, credentials and endpoint come from the environment."""
    return boto3.client(
        "dynamodb",
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )


class DeploymentTable:
    """One tenant's deployments; each is named as the model that it is of."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, tenant: str) -> None:
        self.region = dynamodb.meta.region_name
        self._dynamodb = dynamodb
        self._table = table
        self._tenant = tenant

    def read(self, names: Sequence[str]) -> Read:
        """The records that there are, in one call; raise TableAway.

        Half a read unit for each record of up to 4 KiB: the read is eventually consistent.
        """
        wanted: Any = {self._table: {"Keys": [registry.deployment(self._tenant, name).item for name in names]}}
        found: list[Any] = []
        try:
            for _ in range(ATTEMPTS):
                answer = self._dynamodb.batch_get_item(RequestItems=wanted)
                found += answer["Responses"].get(self._table, [])
                # What was too much for one answer, or for the moment: it stays as it was read last.
                wanted = answer.get("UnprocessedKeys")
                if not wanted:
                    break
        except (BotoCoreError, ClientError) as error:
            raise TableAway(f"reading the table {self._table} failed: {error}") from error
        if wanted and not found:
            raise TableAway(f"the table {self._table} put off its answer")
        records: dict[str, Deployment] = {}
        refused: dict[str, str] = {}
        for item in found:
            name = item[registry.RANGE_KEY]["S"]
            try:
                records[name] = self._record(name, item)
            except InvalidDeployment as error:
                refused[name] = str(error)
        return Read(records, refused)

    def report(self, name: str, report: Report) -> None:
        """Say what a worker holds; raise TableAway."""
        key = self._key(name, report.pod, report.worker)
        item = {
            **key,
            registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(report).decode()},
            registry.TTL_ATTRIBUTE: {"N": str(int(time.time()) + REPORT_KEPT_SECONDS)},
        }
        try:
            self._dynamodb.put_item(TableName=self._table, Item=item)
        except (BotoCoreError, ClientError) as error:
            raise TableAway(f"reporting to the table {self._table} failed: {error}") from error

    def withdraw_report(self, name: str, pod: str, worker: int) -> None:
        """Say that a worker has ended; raise TableAway."""
        try:
            self._dynamodb.delete_item(TableName=self._table, Key=self._key(name, pod, worker))
        except (BotoCoreError, ClientError) as error:
            raise TableAway(f"reporting to the table {self._table} failed: {error}") from error

    def _record(self, name: str, item: Any) -> Deployment:
        document = item.get(registry.DOCUMENT_ATTRIBUTE, {}).get("S")
        if document is None:
            raise InvalidDeployment(f"it has no text {registry.DOCUMENT_ATTRIBUTE!r}")
        record = documents.decode(document, Deployment)
        if (record.tenant, record.deployment_id) != (self._tenant, name):
            raise InvalidDeployment(f"it is that of {record.tenant}/{record.deployment_id}")
        if record.model != name:
            raise InvalidDeployment(f"it is of the model {record.model}")
        return record

    def _key(self, name: str, pod: str, worker: int) -> Any:
        return registry.report(self._tenant, name, self.region, pod, worker).item
