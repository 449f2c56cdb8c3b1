"""The local stack, applied: a moto server, and in it everything that the program makes for `local`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import boto3

from localcloud.account.backend import MotoAccount
from localcloud.graph import Graph
from localcloud.moto_server import MotoServer
from localcloud.program import example_overrides, run
from localcloud.recorder import Backend, Created, Registration

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

STACK = "local"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
"""What moto takes for credentials: any."""

OnCreated = Callable[[Registration], None]


@dataclass(frozen=True)
class LocalWorld:
    """An applied local stack: the account's endpoint, and the graph with the stack's exports."""

    endpoint: str
    graph: Graph

    @property
    def primary_region(self) -> str:
        return cast(str, self.graph.exports["regions"][0])

    @property
    def models_bucket(self) -> str:
        return cast(str, self.graph.exports["models_buckets"][self.primary_region])

    @property
    def keys_table(self) -> str:
        return cast(str, self.graph.exports["api_keys_table"])

    @property
    def deployments_table(self) -> str:
        return cast(str, self.graph.exports["deployments_table"])

    def s3(self) -> S3Client:
        return self._session().client("s3", endpoint_url=self.endpoint)

    def dynamodb(self) -> DynamoDBClient:
        return self._session().client("dynamodb", endpoint_url=self.endpoint)

    def environment(self) -> dict[str, str]:
        """Variables that make any AWS SDK talk to this account."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": self.primary_region}

    def _session(self) -> boto3.Session:
        return boto3.Session(
            region_name=self.primary_region,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )


class _Reporting:
    """A backend that tells of every resource after it was made."""

    def __init__(self, backend: Backend, on_created: OnCreated) -> None:
        self._backend = backend
        self._on_created = on_created

    def create(self, registration: Registration) -> Created:
        created = self._backend.create(registration)
        self._on_created(registration)
        return created

    def invoke(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._backend.invoke(token, args)


@contextmanager
def local_world(*, port: int | None = None, on_created: OnCreated = lambda _: None) -> Generator[LocalWorld]:
    """Start moto, apply the local stack, and take the account down at the end.

    Raises ServerFailed, RegistrationFailed or pulumi.RunError. `on_created` is called from several threads.
    """
    with MotoServer(port) as server:
        backend = _Reporting(MotoAccount(server.endpoint), on_created)
        yield LocalWorld(server.endpoint, run(STACK, backend, overrides=example_overrides(STACK)))
