"""An S3 to load from, two versions of a small model, the container's process, and deployments for it to follow."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from contract.objects import Version
from localcloud.moto_server import free_port
from ops import demo_model
from ops.demo_model import DemoModel
from ops.models.publish import publish
from tests.serving.deployments import V1, Change, World
from tests.serving.process import Container, container_environment

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}

Publish = Callable[[DemoModel], None]
StartContainer = Callable[..., Container]


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def away() -> Any:
    """An S3 whose port is closed."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="session")
def first() -> DemoModel:
    return demo_model.train(Version(1, 0, 0))


@pytest.fixture(scope="session")
def second() -> DemoModel:
    return demo_model.train(Version(1, 1, 0), iterations=10)


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    return _new_bucket(s3)


@pytest.fixture
def own_bucket(s3: Any) -> str:
    """A bucket for one test, which may spoil it."""
    return _new_bucket(s3)


def _new_bucket(s3: Any) -> str:
    name = f"models-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def upload(s3: Any, own_bucket: str, tmp_path: Path) -> Publish:
    """Publishes into the test's own bucket."""

    def run(model: DemoModel) -> None:
        publish_model(s3, own_bucket, model, tmp_path)

    return run


def publish_model(s3: Any, bucket: str, model: DemoModel, directory: Path) -> None:
    path = directory / "to-publish.onnx"
    path.write_bytes(model.onnx)
    publish(s3, bucket, model.metadata.name, model.metadata.version, path, model.metadata)


@pytest.fixture
def start(endpoint: str, own_bucket: str, tmp_path: Path) -> Iterator[StartContainer]:
    """Starts a container on the test's own bucket; what still runs after the test is killed."""
    with ExitStack() as stack:

        def run(**settings: str) -> Container:
            environment = container_environment(endpoint, own_bucket, tmp_path / "cache", CREDENTIALS) | settings
            return stack.enter_context(Container(environment))

        yield run


@pytest.fixture
def both_versions(upload: Publish, first: DemoModel, second: DemoModel) -> None:
    """Are published to the test's own bucket."""
    upload(first)
    upload(second)


@pytest.fixture
def world(endpoint: str) -> World:
    """A table of deployments of the test's own."""
    return World(endpoint)


@pytest.fixture
def start_deployed(start: StartContainer, both_versions: None, world: World) -> StartContainer:
    """Starts a container that follows the record of the first version, changed beforehand where a change is given."""

    def run(change: Change | None = None, **settings: str) -> Container:
        world.create(V1)
        if change is not None:
            world.change(change)
        return start(**world.variables | settings)

    return run


@pytest.fixture
def start_serving(start_deployed: StartContainer) -> StartContainer:
    """Starts such a container, which serves the first version already."""

    def run(**settings: str) -> Container:
        container = start_deployed(**settings)
        container.wait_for_line("serving breast-cancer 1.0.0")
        return container

    return run


@pytest.fixture(scope="module")
def served(
    endpoint: str, s3: Any, bucket: str, first: DemoModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """One container for all tests of a module, with the first version loaded, at the most talkative log level."""
    directory = tmp_path_factory.mktemp("served")
    publish_model(s3, bucket, first, directory)
    environment = container_environment(endpoint, bucket, directory / "cache", CREDENTIALS) | {
        "SERVEML_LOG_LEVEL": "debug",
        "SERVEML_MAX_BODY_BYTES": "131072",
        "SERVEML_MAX_ROWS": "120",
        "SERVEML_REQUEST_TIMEOUT_SECONDS": "1",
    }
    with Container(environment) as container:
        container.wait_for_line("serving breast-cancer 1.0.0")
        yield container
