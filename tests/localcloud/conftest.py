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


@pytest.fixture(scope="session")
def backend(server: MotoServer) -> MotoAccount:
    """Kept for the session: it holds no resources, and its clients are slow to make."""
    return MotoAccount(server.endpoint)


@pytest.fixture
def account(server: MotoServer, backend: MotoAccount) -> Account:
    server.reset()
    return Account(backend, server.endpoint)
