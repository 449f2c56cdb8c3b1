"""A moto server for the session, emptied before each test that asks for an account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from localcloud.account.backend import MotoAccount
from localcloud.moto_server import MotoServer

REGION = "eu-west-1"


@dataclass(frozen=True)
class Account:
    """An empty account, as the program's backend and as boto3 sees it."""

    backend: MotoAccount
    endpoint: str

    def client(self, service: str, region: str = REGION) -> Any:
        return self.backend.clients.at(service, region)


@pytest.fixture(scope="session")
def server() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def account(server: MotoServer) -> Account:
    server.reset()
    return Account(MotoAccount(server.endpoint), server.endpoint)
