"""Deployments for a container to follow: a table with their records, and what a container answers by them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from contract import service
from contract.deployment import Deployment, Gates, Stage, Weight, replace
from contract.objects import Version
from ops.demo_model import NAME, DemoModel
from ops.rollout import transitions
from ops.rollout.records import Records
from tests.lifecycle.table import create_table, dynamodb_at
from tests.serving.process import Container

FOLLOWED_SECONDS = 5.0
V1, V2, V3 = Version(1, 0, 0), Version(1, 1, 0), Version(1, 2, 0)
STAGES = (Stage(percent=10), Stage(percent=50), Stage(percent=100))
Change = Callable[[Deployment], Deployment]


class World:
    """A table of its own, and what the tests do with it."""

    def __init__(self, endpoint: str, table: str | None = None) -> None:
        self.dynamodb: Any = dynamodb_at(endpoint)
        self.table = table or f"deployments-{uuid.uuid4()}"
        create_table(self.dynamodb, self.table)
        self.records = Records(self.dynamodb, self.table)
        self.variables = {
            service.ENV_DEPLOYMENTS_TABLE: self.table,
            service.ENV_DEPLOYMENTS_REFRESH_MS: "200",
        }

    def create(self, version: Version) -> None:
        now = datetime.now(UTC)
        self.records.create(transitions.new(NAME, version, by="ada", now=now), action="created", reason="test")

    def change(self, make: Change) -> Deployment:
        return self.records.change(NAME, make, by="ada", action="test", reason="test")

    def try_version(self, version: Version, stage: int) -> Deployment:
        def make(record: Deployment) -> Deployment:
            now = datetime.now(UTC)
            started = transitions.start_canary(
                record, version, canary_id="trial", stages=STAGES, gates=Gates(), by="ada", now=now
            )
            return transitions.enter_stage(started, stage, now)

        return self.change(make)


def shared_equally(record: Deployment) -> Deployment:
    """Between the first two versions."""
    return replace(record, weights=(Weight(version=V2, percent=50), Weight(version=V1, percent=50)))


def version_for(container: Container, model: DemoModel, user: str | None = None) -> str:
    headers = {} if user is None else {service.USER_HEADER: user}
    answer = container.predict({"instances": model.holdout_rows[:1]}, headers)
    assert answer.status == 200, answer
    return answer.headers[service.MODEL_VERSION_HEADER.lower()]


def wait_until(holds: Callable[[], bool], seconds: float = FOLLOWED_SECONDS) -> float:
    """How long it took; fails when it takes longer than that."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


def holds(container: Container, *versions: Version) -> bool:
    index = container.call("POST", "/v2/repository/index", "{}", {"Content-Type": "application/json"}).json
    ready = {entry["version"] for entry in index if entry["state"] == "READY"}
    return {str(version) for version in versions} <= ready
