"""The commands for deployments, called on a platform whose time the test moves."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import typer
from moto import mock_aws
from typer.testing import CliRunner, Result

from contract.objects import CHECKSUMS_FILE, Version, version_prefix
from ops import platform as platforms
from ops.canary import byhand, wiring
from ops.canary.measuring import Unmeasured
from ops.commands import canary, deployment, rollback
from ops.commands.shown import Exit
from ops.platform import Outputs
from tests.lifecycle.canary_world import NAME, World
from tests.lifecycle.table import REGION, TABLE, V1, V2, V3, create_table

BUCKET = "models"
QUICK = ("--step-seconds", "10", "--min-requests", "50", "--prometheus", "http://127.0.0.1:9")

app = typer.Typer()
app.add_typer(canary.app, name="canary")
app.add_typer(deployment.app, name="deployment")
app.command("rollback")(rollback.rollback)


class Figures:
    """In place of Prometheus: the world's own figures."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, *asked: Any) -> Any:
        return self._world.measure(*asked)

    def probe(self, *_: Any) -> None:
        if self._world.prometheus_away:
            raise Unmeasured("Prometheus at http://127.0.0.1:9 cannot be reached")


@contextmanager
def platform_of_a_deployment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[World]:
    """A platform whose time the test moves, with three published versions of a model that is deployed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("SERVEML_ENV", "SERVEML_PROMETHEUS", "SERVEML_SLACK_WEBHOOK", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SERVEML_OPERATOR", "ada")
    monkeypatch.setattr(platforms, "FOLDER", folder)
    outputs = Outputs(
        regions=(REGION,),
        models_buckets={REGION: BUCKET},
        staging_buckets={REGION: "staging"},
        deployments_table=TABLE,
        api_keys_table="keys",
    )
    for environment in ("local", "prod"):
        platforms.keep(environment, outputs)
    with mock_aws():
        client = boto3.client("dynamodb", region_name=REGION)
        create_table(client)
        s3 = boto3.client("s3", region_name=REGION)
        for bucket in (BUCKET, "staging"):
            s3.create_bucket(Bucket=bucket)
        for version in (V1, V2, V3, Version(0, 9, 0)):
            s3.put_object(Bucket=BUCKET, Key=f"{version_prefix(NAME, version)}{CHECKSUMS_FILE}", Body=b"{}")
        made = World(client)
        made.now = datetime.now(UTC)
        made.report()

        def now(_: object) -> datetime:
            return made.now

        def figures(*_: object, **__: object) -> Figures:
            return Figures(made)

        monkeypatch.setattr(byhand, "datetime", SimpleNamespace(now=now))
        for module in (wiring, deployment, rollback, canary):
            monkeypatch.setattr(module, "time", SimpleNamespace(sleep=made.wait))
        monkeypatch.setattr(wiring, "figures", figures)
        yield made


def serveml(*said: str) -> Result:
    return CliRunner().invoke(app, list(said), catch_exceptions=False)


def refused(world: World, *said: str, code: int = Exit.REFUSED) -> str:
    """The one line that a command said, which changed nothing."""
    before = world.dynamodb.scan(TableName=TABLE)["Items"]
    result = serveml(*said)
    assert result.exit_code == code, result.output
    assert world.dynamodb.scan(TableName=TABLE)["Items"] == before
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]
