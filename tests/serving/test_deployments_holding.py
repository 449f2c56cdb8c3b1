"""What a worker holds for its deployments: at the start, within its memory, and while the bucket is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config

from contract import deployment as documents
from contract.deployment import Deployment, Weight
from contract.objects import Version
from localcloud.moto_server import free_port
from ops.demo_model import DemoModel
from ops.models.publish import publish
from serving import models as models_module
from serving.counting import DeploymentCounts
from serving.deployments.deployments import Deployments
from serving.deployments.following import Follower
from serving.metrics import Metrics
from serving.models import Models
from serving.predictor import Predictor
from serving.shelf import NoMemory, Shelf
from serving.signature import TrustedKeys
from serving.store import Files
from serving.wanted import wanted
from tests.lifecycle.table import churn
from tests.serving.followed_table import Table, read, revised, wait_until
from tests.serving.process import PATIENCE_SECONDS

NAME = "churn"
V1, V2, V3 = Version(1, 0, 0), Version(2, 0, 0), Version(3, 0, 0)


@dataclass
class Fake:
    name: str
    version: str


def bring(shelf: Shelf, name: str, version: str, size: int, *, current: bool = False, keep: bool = False) -> None:
    shelf.reserve(name, version, size, current=current)
    shelf.put(cast(Predictor, Fake(name, version)), current=current, keep_before=keep)


def held(shelf: Shelf) -> set[str]:
    return {f"{found.name} {found.version}" for found in shelf.loaded()}


def test_what_a_deployment_names_makes_no_room_for_another_model_or_for_what_an_operator_asks_for() -> None:
    shelf = Shelf(100)
    shelf.name("churn", ["2.0.0", "1.0.0"])
    bring(shelf, "churn", "2.0.0", 40)
    bring(shelf, "churn", "1.0.0", 40, current=True)
    for name, version in (("fraud", "1.0.0"), ("churn", "0.9.0")):
        with pytest.raises(NoMemory):
            shelf.reserve(name, version, 40, current=False)
    assert held(shelf) == {"churn 2.0.0", "churn 1.0.0"}


def test_of_a_deployment_what_is_needed_less_makes_room_for_what_is_needed_more() -> None:
    shelf = Shelf(100)
    shelf.name("churn", ["2.0.0", "3.0.0", "1.0.0"])
    bring(shelf, "churn", "2.0.0", 40, current=True)
    bring(shelf, "churn", "1.0.0", 40)
    bring(shelf, "churn", "3.0.0", 40)
    assert held(shelf) == {"churn 2.0.0", "churn 3.0.0"}
    with pytest.raises(NoMemory):
        shelf.reserve("churn", "1.0.0", 40, current=False)


def test_a_predecessor_stays_for_a_rollback_only_where_both_fit() -> None:
    for bound, kept in ((100, set[str]()), (120, {"churn 1.0.0"})):
        shelf = Shelf(bound)
        bring(shelf, "churn", "1.0.0", 60, current=True)
        shelf.name("churn", ["2.0.0", "1.0.0"])
        bring(shelf, "churn", "2.0.0", 60, current=True, keep=True)
        assert held(shelf) == {"churn 2.0.0"} | kept


class Loads:
    """Opens versions, and remembers which."""

    def __init__(self) -> None:
        self.versions: list[str] = []

    def __call__(self, files: Files) -> Predictor:
        self.versions.append(str(files.metadata.version))
        return Predictor.load(files.metadata, files.model)


@dataclass(frozen=True, kw_only=True)
class Started:
    models: Models
    loads: Loads
    cache_dir: Path

    @property
    def kept(self) -> bool:
        """Whether a restart would find the record."""
        return (self.cache_dir / NAME / "deployment.json").is_file()

    @property
    def answers(self) -> str | None:
        """The version that a request without a user would get."""
        routing = self.models.routings.get(NAME)
        found = self.models.find(NAME, None if routing is None else routing.choose(None))
        return None if found is None else found.version


Start = Callable[..., Started]


@pytest.fixture
def start(s3: Any, own_bucket: str, tmp_path: Path) -> Generator[Start]:
    """Models of the test's bucket that follow a table; of the bucket's own accord only once an hour."""
    started: list[Models] = []

    def run(table: Table, bucket: Any = s3) -> Started:
        metrics, loads = Metrics(), Loads()
        counts = DeploymentCounts(metrics)

        def follower(names: Sequence[str], followed: Deployments) -> Follower:
            return Follower(lambda: table, names, followed, pod="pod-1", worker=0, every_seconds=0.01, counts=counts)

        models = Models.of_bucket(
            bucket,
            own_bucket,
            wanted(NAME),
            loads,
            metrics,
            cache_dir=tmp_path / "cache",
            trusted=TrustedKeys(),
            followers=follower,
            counts=counts,
        )
        models.start(every_seconds=3600)
        started.append(models)
        return Started(models=models, loads=loads, cache_dir=tmp_path / "cache")

    yield run
    for models in started:
        models.stop()
        models.close(PATIENCE_SECONDS)
    for thread in threading.enumerate():
        if thread.name.startswith("catalogue-"):
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def published(s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel) -> Callable[[Version], None]:
    def run(version: Version) -> None:
        path = tmp_path / "to-publish.onnx"
        path.write_bytes(first.onnx)
        publish(s3, own_bucket, NAME, version, path, replace(first.metadata, name=NAME, version=version))

    return run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_module, "BUCKET_PATIENCE_SECONDS", 0.01)


def split(*versions: Version, stable: Version, previous: Version | None = None) -> Deployment:
    weights = tuple(Weight(version=version, percent=100 // len(versions)) for version in versions)
    return documents.replace(churn(V1), weights=weights, stable=stable, previous=previous)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_knows_no_record_loads_nothing_before_a_slow_table_has_answered(
    start: Start, published: Callable[[Version], None]
) -> None:
    published(V1)
    published(V2)
    table = Table(read(churn(V1)))
    table.may_answer.clear()
    server = start(table)
    waiting = threading.Event()
    # A hundred times its patience, in which it would have loaded the highest release.
    assert not waiting.wait(1.0)
    assert (server.loads.versions, server.models.ready) == ([], False)
    table.may_answer.set()
    wait_until(lambda: server.models.ready)
    assert (server.loads.versions, server.answers) == (["1.0.0"], "1.0.0")


@pytest.mark.usefixtures("impatient")
def test_a_restart_does_not_wait_for_a_slow_table_where_it_has_the_record_on_disk(
    start: Start, published: Callable[[Version], None]
) -> None:
    published(V1)
    published(V2)
    before = start(Table(read(churn(V1))))
    wait_until(lambda: before.models.ready and before.kept)
    table = Table(read(churn(V1)))
    table.may_answer.clear()
    server = start(table)
    wait_until(lambda: server.models.ready)
    assert (server.loads.versions, server.answers, table.reads) == (["1.0.0"], "1.0.0", 0)
    table.may_answer.set()


def test_a_new_version_is_held_at_once_and_a_withdrawn_one_answers_no_more_and_leaves(
    start: Start, published: Callable[[Version], None]
) -> None:
    for version in (V1, V2, V3):
        published(version)
    record = split(V1, stable=V1)
    table = Table(read(record))
    server = start(table)
    wait_until(lambda: server.answers == "1.0.0")
    record = revised(record, weights=split(V2, stable=V2).weights, stable=V2, previous=V1)
    table.then(read(record))
    wait_until(lambda: server.answers == "2.0.0")
    assert server.models.find(NAME, "1.0.0") is not None
    table.then(read(revised(record, weights=split(V3, stable=V3).weights, stable=V3, previous=V2)))
    wait_until(lambda: server.models.find(NAME, "1.0.0") is None)
    assert {found.version for found in server.models.loaded()} == {"2.0.0", "3.0.0"}
    assert server.loads.versions == ["1.0.0", "2.0.0", "3.0.0"]


def test_a_server_stays_ready_while_it_brings_what_a_new_record_names_or_cannot(
    start: Start, published: Callable[[Version], None]
) -> None:
    published(V1)
    record = split(V1, stable=V1)
    table = Table(read(record))
    server = start(table)
    wait_until(lambda: server.models.ready)
    table.then(read(revised(record, weights=split(V2, V1, stable=V1).weights)))
    wait_until(lambda: bool(table.reports) and "2.0.0" in table.reports[-1].refused)
    assert server.models.ready


def test_while_the_bucket_is_away_a_restart_is_ready_with_what_is_on_disk_and_says_what_it_lacks(
    start: Start, published: Callable[[Version], None]
) -> None:
    published(V1)
    record = split(V1, stable=V1)
    before = start(Table(read(record)))
    wait_until(lambda: before.models.ready and before.kept)
    table = Table(read(revised(record, weights=split(V2, V1, stable=V1).weights)))
    server = start(table, bucket=_away())
    wait_until(lambda: server.models.ready)
    assert server.models.find(NAME, "1.0.0") is not None
    wait_until(lambda: bool(table.reports) and bool(table.reports[-1].refused))
    assert table.reports[-1].refused == {"2.0.0": "churn 2.0.0 is not on disk, and the bucket cannot be reached"}


def test_while_the_bucket_is_away_a_rollback_finds_its_version_on_disk(
    start: Start, published: Callable[[Version], None]
) -> None:
    published(V1)
    published(V2)
    record = split(V2, stable=V2, previous=V1)
    before = start(Table(read(record)))
    wait_until(lambda: before.models.find(NAME, "1.0.0") is not None and before.kept)
    alone = revised(record, previous=None)
    table = Table(read(alone))
    server = start(table, bucket=_away())
    wait_until(lambda: server.answers == "2.0.0")
    table.then(read(revised(alone, weights=split(V1, stable=V1).weights, stable=V1)))
    wait_until(lambda: server.answers == "1.0.0")


def _away() -> Any:
    """An S3 whose port is closed."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
