"""What the container starts from: the model published in a bucket of moto's, and a key that its caller presents."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from contract import access, service
from contract.access import ANY_MODEL, MOST_REQUESTS_PER_MINUTE
from localcloud.moto_server import MotoServer
from ops.demo_model import DemoModel
from ops.models.publish import publish

_BUCKET = "bench-models"
_REGION = "us-east-1"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": _REGION}


@dataclass(frozen=True)
class Place:
    """The container's variables for finding the model and the keys, and the headers of a caller."""

    variables: Mapping[str, str]
    headers: Mapping[str, str]


@contextmanager
def published(model: DemoModel, path: Path) -> Generator[Place]:
    """Beside the model's file come the keys. The caller's own limit lies above any load."""
    key, record = access.issue(
        user_id="bench", scopes=[ANY_MODEL], now=time.time(), requests_per_minute=MOST_REQUESTS_PER_MINUTE
    )
    keys = path.with_name("keys.json")
    keys.write_bytes(access.render([record]))
    with MotoServer() as server:
        s3 = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name=_REGION,
            aws_access_key_id=_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        s3.create_bucket(Bucket=_BUCKET)
        publish(s3, _BUCKET, model.metadata.name, model.metadata.version, path, model.metadata)
        variables = {
            **_CREDENTIALS,
            "AWS_ENDPOINT_URL": server.endpoint,
            service.ENV_MODELS_BUCKET: _BUCKET,
            service.ENV_MODEL_NAME: model.metadata.name,
            service.ENV_KEYS_FILE: str(keys),
        }
        yield Place(variables, {"Authorization": f"Bearer {key}"})
