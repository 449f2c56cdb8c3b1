"""Pods that serve a model and follow its deployment, callers, and a Prometheus with our rules that watches them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.dashboards.account import account
from bench.dashboards.callers import Callers, Mix, calling
from bench.dashboards.cluster import DEPLOYMENT, Cluster, exporters
from bench.dashboards.watching import Watching, watching
from components.observability.dashboards.catalogue import EXAMPLE
from contract.deployment import Deployment, Gates, Stage
from contract.objects import Version
from localcloud.pod import Pod, serving_pod
from localcloud.world import LocalWorld
from ops import demo, demo_model
from ops.demo_model import DemoModel
from ops.models.publish import publish
from ops.rollout import transitions
from ops.rollout.records import Records

FIRST = Version(1, 0, 0)
STAGES = (Stage(percent=10, shadow_percent=50), Stage(percent=50), Stage(percent=100))

# As Kubernetes names the pods of one Deployment's template.
_POD_NAMES = tuple(f"{DEPLOYMENT}-7c9d6b5f48-{end}" for end in ("x2v7k", "bq9fm", "t6zhs", "k4wnd"))
_BY = "bench"


@dataclass(frozen=True, kw_only=True)
class World:
    """What runs, and what can be done to it. Pods start from the main thread alone."""

    account: LocalWorld
    model: DemoModel
    records: Records
    cluster: Cluster
    callers: Callers
    watched: Watching
    stack: ExitStack

    @property
    def address(self) -> str:
        """Of Prometheus."""
        return self.watched.address

    def publish(self, version: Version, model: DemoModel | None = None) -> None:
        """Another version; the same model unless another is given."""
        made = model or self.model
        _publish(self.account, replace(made, metadata=replace(made.metadata, version=version)))

    def try_version(self, version: Version, stage: int = 0) -> None:
        """Give a version what the stage says; it goes on trial first if it is not."""

        def make(record: Deployment) -> Deployment:
            now = datetime.now(UTC)
            begun = record
            if record.canary is None:
                begun = transitions.start_canary(
                    record, version, canary_id=f"trial-{version}", stages=STAGES, gates=Gates(), by=_BY, now=now
                )
            return transitions.enter_stage(begun, stage, now)

        self._change(make)

    def finish(self) -> None:
        self._change(transitions.finish_canary)

    def withdraw(self) -> None:
        self._change(transitions.withdraw_canary)

    def add_pod(self) -> None:
        """Another pod, which gets its share of the requests once it is ready."""
        self.cluster.wanted = len(self.cluster.pods) + 1
        pod = self.stack.enter_context(_pod(self.account, self.model, len(self.cluster.pods)))
        self.cluster.pods = [*self.cluster.pods, pod]
        self.watched.scrape(self.cluster.pods)
        self.callers.pods = self.cluster.pods

    def _change(self, make: Callable[[Deployment], Deployment]) -> None:
        self.records.change(self.model.metadata.name, make, by=_BY, action="changed", reason=_BY)


@contextmanager
def world(mix: Mix, *, pods: int, every_seconds: int) -> Generator[World]:
    """One version serves. Raises ServerFailed, PodFailed, PrometheusAbsent or PrometheusFailed."""
    with ExitStack() as stack:
        lent = stack.enter_context(account())
        model = demo_model.train(FIRST)
        _publish(lent, model)
        records = Records(lent.dynamodb(), lent.deployments_table)
        first = transitions.new(model.metadata.name, FIRST, by=_BY, now=datetime.now(UTC))
        records.create(first, action="created", reason=_BY)
        # Before the pods read them: a later one is good only once the table is read again.
        key = demo.issue_key(lent, model)
        running = [stack.enter_context(_pod(lent, model, number)) for number in range(pods)]
        cluster = Cluster(pods=running, wanted=pods, at_least=pods)
        shown = stack.enter_context(exporters(cluster))
        callers = stack.enter_context(calling(running, key, model, mix))
        watched = stack.enter_context(watching(running, shown, EXAMPLE.limits, every_seconds=every_seconds))
        yield World(
            account=lent,
            model=model,
            records=records,
            cluster=cluster,
            callers=callers,
            watched=watched,
            stack=stack,
        )


def _pod(lent: LocalWorld, model: DemoModel, number: int) -> AbstractContextManager[Pod]:
    return serving_pod(lent, model.metadata.name, name=_POD_NAMES[number])


def _publish(lent: LocalWorld, model: DemoModel) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.onnx)
        metadata = model.metadata
        publish(lent.s3(), lent.models_bucket, metadata.name, metadata.version, path, metadata)
