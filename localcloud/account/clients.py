"""boto3 clients of the local account: one for each service and region, shared by all threads."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.config import Config

from infra.regions import GLOBAL_REGION
from localcloud.recorder import Registration

# moto accepts any credentials; these make sure that none of a real account's are picked up.
ACCESS_KEY = "local"
SECRET_KEY = "local"

_CONFIG = Config(
    # The server answers from memory: what it refuses once it refuses again.
    retries={"total_max_attempts": 1},
    max_pool_connections=16,
    connect_timeout=5,
    read_timeout=60,
    parameter_validation=True,
    s3={"addressing_style": "path"},
)

Client = Any
"""A boto3 client. Its methods are made at run time from the service's model, so it has no static type."""


class Clients:
    """Clients of one endpoint. boto3 makes clients on one thread at a time, and lets any thread use them."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
        self._made: dict[tuple[str, str], Client] = {}
        self._lock = threading.Lock()

    def at(self, service: str, region: str) -> Client:
        """The client of a service in a region, `client.meta` included."""
        key = (service, region)
        made = self._made.get(key)
        if made is None:
            with self._lock:
                made = self._made.get(key) or self._make(service, region)
                self._made[key] = made
        return made

    def of(self, service: str, registration: Registration) -> Client:
        """The client in the registration's own region; a resource without one is global."""
        return self.at(service, region_of(registration))

    def _make(self, service: str, region: str) -> Client:
        make: Any = self._session.client  # pyright: ignore[reportUnknownVariableType]
        return make(service, region_name=region, endpoint_url=self.endpoint, config=_CONFIG)


def region_of(registration: Registration) -> str:
    return str(registration.inputs.get("region") or GLOBAL_REGION)
