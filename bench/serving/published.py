"""A bucket with the model published in it, on an account of moto's, for the container to start from."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import boto3

from contract import service
from localcloud.moto_server import MotoServer
from ops.demo_model import DemoModel
from ops.models import publish

_BUCKET = "bench-models"
_REGION = "us-east-1"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": _REGION}


@contextmanager
def published(model: DemoModel, path: Path) -> Generator[dict[str, str]]:
    """The container's variables for finding the model."""
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
        yield {
            **_CREDENTIALS,
            "AWS_ENDPOINT_URL": server.endpoint,
            service.ENV_MODELS_BUCKET: _BUCKET,
            service.ENV_MODEL_NAME: model.metadata.name,
        }
