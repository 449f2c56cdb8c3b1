"""The deployments table: in this process, or in a server's that several processes write to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from contract.deployment import Deployment
from localcloud.moto_server import MotoServer
from ops.rollout.records import Records
from tests.lifecycle.table import REGION, TABLE, churn, create_table, dynamodb_at


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    """A client whose account has an empty deployments table."""
    with mock_aws():
        client = boto3.client("dynamodb", region_name=REGION)
        create_table(client)
        yield client


@pytest.fixture
def records(dynamodb: Any) -> Records:
    """Of the default tenant, which never waits between two tries."""
    return Records(dynamodb, TABLE, pause=lambda _: None)


@pytest.fixture
def created(records: Records) -> Deployment:
    """The first revision of a deployment."""
    return records.create(churn(), action="create", reason="first")


@pytest.fixture(scope="session")
def server() -> Iterator[MotoServer]:
    """An account that other processes reach."""
    with MotoServer() as running:
        yield running


@pytest.fixture
def shared_table(server: MotoServer) -> Any:
    """A client for the server's account, whose deployments table is empty."""
    server.reset()
    client = dynamodb_at(server.endpoint)
    create_table(client)
    return client
