"""Which platform a command works on: the outputs of its stack, and clients for the AWS account behind them."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import boto3
import msgspec
from botocore.config import Config

from contract import documents
from contract.documents import Unreadable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient

FOLDER = Path(".serveml")
"""Where the outputs lie that a command is not given a file for, as `<environment>.json`."""
ENVIRONMENTS = ("local", "dev", "staging", "prod")
LOCAL = "local"

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
ATTEMPTS = 4


class NoPlatform(ValueError):
    """The outputs are not there, or not a platform's; the message says how to get them."""


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """Of the stack's outputs those that commands need; the others are passed over."""

    regions: tuple[str, ...]
    models_buckets: dict[str, str]
    staging_buckets: dict[str, str]
    deployments_table: str
    api_keys_table: str
    datasets_buckets: dict[str, str] = {}
    """Empty where the stack was last applied before it exported them."""
    alarm_topic: str | None = None
    endpoint: str | None = None
    """Of an account on this machine; None for AWS."""


class Platform:
    """One environment's platform. Records are written in its first region alone, wherever they are read."""

    def __init__(self, environment: str, outputs: Outputs) -> None:
        self.environment = environment
        self.outputs = outputs
        self._s3: dict[str, S3Client] = {}
        self._making = Lock()

    @property
    def home_region(self) -> str:
        return self.outputs.regions[0]

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return self._session.client("dynamodb", self.home_region, endpoint_url=self.outputs.endpoint, config=_CONFIG)

    def s3(self, region: str | None = None) -> S3Client:
        """The region's client, always the same one: threads may share a client, but not the making of one."""
        where = region or self.home_region
        with self._making:
            if where not in self._s3:
                self._s3[where] = self._session.client("s3", where, endpoint_url=self.outputs.endpoint, config=_CONFIG)
            return self._s3[where]

    @cached_property
    def kms(self) -> KMSClient:
        return self._session.client("kms", self.home_region, endpoint_url=self.outputs.endpoint, config=_CONFIG)

    @cached_property
    def sns(self) -> SNSClient:
        return self._session.client("sns", self.home_region, endpoint_url=self.outputs.endpoint, config=_CONFIG)

    @cached_property
    def _session(self) -> boto3.Session:
        if self.outputs.endpoint is None:
            return boto3.Session()
        # An account on this machine takes any credentials; the caller's own stay where they are.
        return boto3.Session(aws_access_key_id=LOCAL, aws_secret_access_key=LOCAL)


_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=READ_TIMEOUT_SECONDS,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    max_pool_connections=32,
)


def load(environment: str, file: Path | None = None) -> Platform:
    """The platform of an environment, by its stack's outputs; raise NoPlatform."""
    path = file or FOLDER / f"{environment}.json"
    how = (
        "run `serveml local up` in another terminal"
        if environment == LOCAL
        else f"write it with `pulumi stack output --json --stack {environment} > {path}`"
    )
    try:
        outputs = documents.decode(path.read_bytes(), Outputs)
    except OSError:
        raise NoPlatform(f"there is no file {path} with the outputs of {environment}: {how}") from None
    except Unreadable as error:
        raise NoPlatform(f"{path} does not hold the outputs of {environment} ({error}): {how}") from None
    if not outputs.regions:
        raise NoPlatform(f"{path} names no region: {how}")
    return Platform(environment, outputs)


def encode(outputs: Outputs) -> bytes:
    """As `load` reads them."""
    return documents.render(outputs)


def keep(environment: str, outputs: Outputs) -> Path:
    """Write the outputs to where `load` looks for them."""
    path = FOLDER / f"{environment}.json"
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(encode(outputs))
    fresh.replace(path)
    return path
