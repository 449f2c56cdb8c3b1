"""The demonstration's second half: versions tried on users who never pause, and only the good one gets through.

Two pods' processes serve, a real Prometheus scrapes them, and the controller is the one that `serveml canary` runs.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from contract.deployment import Change, Gates, Stage
from contract.objects import Version
from localcloud.pod import Pod, serving_pod
from localcloud.prometheus import prometheus
from localcloud.world import LocalWorld
from ops import demo_faults
from ops.canary import byhand
from ops.canary.actions import Action
from ops.canary.byhand import utc_now
from ops.canary.controller import Controller, Look
from ops.canary.decide import Pace
from ops.canary.wiring import figures
from ops.demo_model import DemoModel
from ops.demo_traffic import Answer, Traffic, traffic
from ops.models.publish import publish
from ops.rollout import transitions
from ops.rollout.lease import Leases
from ops.rollout.records import Records

SCRAPE_SECONDS = 0.5
STEP_SECONDS = 6
COPIED = Stage(percent=0, shadow_percent=50, seconds=STEP_SECONDS)
STEPS = tuple(Stage(percent=percent, seconds=STEP_SECONDS) for percent in (10, 50, 100))
GATES = Gates(min_requests=60, min_shadowed=60)
FOLLOW_SECONDS = 1.5
"""From a change of the weights until every pod follows it: pods of the demonstration look twice a second."""
WARM_UP_SECONDS = 4.0
"""Of the stable version alone, so that there is something to compare with."""
CONFIDENCE_DEVIATIONS = 2.576
"""Of a normal distribution: 99% lie within."""


class Unexpected(Exception):
    """A version was not treated as it deserved, or a request failed that should not have."""


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """How requests were shared out at one step; `low` and `high` bound the binomial 99% interval."""

    percent: int
    requests: int
    by_candidate: int
    low: int
    high: int

    @property
    def within(self) -> bool:
        return self.low <= self.by_candidate <= self.high


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one version."""

    what: str
    version: str
    ended: str
    reason: str
    seconds: float
    answered: int
    """By the version on trial."""
    failed: int
    """Of those."""
    stable_failed: int
    """Requests that anybody else answered, or nobody, and that failed meanwhile."""
    seconds_to_roll_back: float | None
    """From the first bad answer, or where users got none the first copy, to the last answer by the version."""
    splits: list[Split]


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    what: str
    model: DemoModel
    stages: tuple[Stage, ...]
    passes: bool
    is_bad: Callable[[Answer], bool]


def try_versions(world: LocalWorld, model: DemoModel, key: str, pod: Pod, progress: Console) -> list[Trial]:
    """Publish a good version and three bad ones, and try each; raise Unexpected, PodFailed or PrometheusFailed.

    `pod` runs already and serves the model's first version; a second one is started beside it.
    """
    name, records = model.metadata.name, Records(world.dynamodb(), world.deployments_table)
    first = transitions.new(name, model.metadata.version, by="demo", now=utc_now())
    records.create(first, action=Action.CREATED, reason="the demonstration's first version")
    trials: list[Trial] = []
    with ExitStack() as stack:
        pods = [pod, stack.enter_context(serving_pod(world, name, name="pod-1"))]
        address = stack.enter_context(prometheus([pod.metrics_target for pod in pods], every_seconds=SCRAPE_SECONDS))
        users = stack.enter_context(traffic(pods, key, model.holdout_rows))
        time.sleep(WARM_UP_SECONDS)
        for candidate in _candidates(model):
            _publish(world, candidate.model)
            trials.append(_try(world, records, address, candidate, users, progress))
    _check(trials)
    return trials


def _candidates(model: DemoModel) -> Sequence[_Candidate]:
    def version(minor: int, made: DemoModel) -> DemoModel:
        return replace(made, metadata=replace(made.metadata, version=Version(1, minor, 0)))

    return (
        _Candidate(
            what="the same model built anew",
            model=version(1, model),
            stages=(COPIED, *STEPS),
            passes=True,
            is_bad=lambda _: False,
        ),
        _Candidate(
            what="fails on one row in twenty",
            model=version(2, demo_faults.failing(model)),
            stages=STEPS,
            passes=False,
            is_bad=lambda answer: answer.failed,
        ),
        _Candidate(
            what="takes many times as long",
            model=version(3, demo_faults.slow(model)),
            stages=STEPS,
            passes=False,
            is_bad=lambda _: True,
        ),
        _Candidate(
            what="is wrong about one row in twelve",
            model=version(4, demo_faults.wrong(model)),
            stages=(COPIED, *STEPS),
            passes=False,
            is_bad=lambda _: True,
        ),
    )


def _publish(world: LocalWorld, model: DemoModel) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.onnx)
        metadata = model.metadata
        publish(world.s3(), world.models_bucket, metadata.name, metadata.version, path, metadata)


def _try(
    world: LocalWorld, records: Records, address: str, candidate: _Candidate, users: Traffic, progress: Console
) -> Trial:
    name, version = candidate.model.metadata.name, candidate.model.metadata.version
    began = time.time()
    before = byhand.start(
        records,
        name,
        version,
        stages=candidate.stages,
        gates=GATES,
        # It was published a moment ago, to an account that asks for no evidence.
        may_serve=lambda _, __: None,
        by="demo",
        reason=candidate.what,
    )
    with progress.status(f"{version}, which {candidate.what}") as status:

        def tell(look: Look) -> None:
            status.update(f"{version}, which {candidate.what}: {look.said}")

        controller = Controller(
            records,
            Leases(world.dynamodb(), world.deployments_table, records.tenant),
            figures(address),
            lambda _, __: None,
            by="demo",
            clock=utc_now,
            wait=time.sleep,
            pace=Pace(look_seconds=0.5),
            progress=tell,
        )
        outcome = controller.run(name)
        time.sleep(FOLLOW_SECONDS)
    answers = users.since(began)
    history = [change for change in records.history(name) if change.revision >= before.revision]
    own = [answer for answer in answers if answer.version == str(version)]
    bad = [answer.at for answer in own if candidate.is_bad(answer)]
    return Trial(
        what=candidate.what,
        version=str(version),
        ended=outcome.ended.value,
        reason=outcome.reason,
        seconds=time.time() - began,
        answered=len(own),
        failed=sum(answer.failed for answer in own),
        stable_failed=sum(answer.failed for answer in answers if answer.version != str(version)),
        seconds_to_roll_back=None if candidate.passes else _rollback_seconds(own, bad, history),
        splits=_splits(answers, history, version),
    )


def _rollback_seconds(own: list[Answer], bad: list[float], newest_first: list[Change]) -> float:
    if bad:
        return max(answer.at for answer in own) - min(bad)
    # No user got an answer: from the change that had requests copied to the one that ended it.
    entered = next(change.at for change in reversed(newest_first) if change.action == Action.STAGE_ENTERED)
    return (newest_first[0].at - entered).total_seconds()


def _splits(answers: list[Answer], newest_first: list[Change], version: Version) -> list[Split]:
    """At each step, between when every pod followed it and the next change."""
    found: list[Split] = []
    changes = list(reversed(newest_first))
    for change, after in pairwise(changes):
        percent = next((weight.percent for weight in change.weights if weight.version == version), 0)
        if change.action != Action.STAGE_ENTERED or not percent:
            continue
        begin, end = change.at.timestamp() + FOLLOW_SECONDS, after.at.timestamp()
        during = Counter(answer.version == str(version) for answer in answers if begin <= answer.at < end)
        requests, share = during.total(), percent / 100
        if requests:
            spread = CONFIDENCE_DEVIATIONS * math.sqrt(requests * share * (1 - share))
            found.append(
                Split(
                    percent=percent,
                    requests=requests,
                    by_candidate=during[True],
                    low=math.floor(requests * share - spread),
                    high=math.ceil(requests * share + spread),
                )
            )
    return found


def _check(trials: Sequence[Trial]) -> None:
    passed = [trial.ended == "passed" for trial in trials]
    if passed != [True, False, False, False]:
        said = "; ".join(f"{trial.version}, which {trial.what}: {trial.ended}: {trial.reason}" for trial in trials)
        raise Unexpected(f"the canaries ended otherwise than the versions deserved: {said}")
    if failed := sum(trial.stable_failed for trial in trials):
        raise Unexpected(f"{failed} requests failed that the version on trial did not answer")


def show(trials: Sequence[Trial], console: Console) -> None:
    """What became of each version, and how the requests were shared out."""
    table = Table(title="Versions tried on users of two pods")
    for column in ("version", "ended", "after s", "it answered", "failed", "others failed", "rolled back after s"):
        table.add_column(column, justify="left" if column in ("version", "ended") else "right")
    for trial in trials:
        back = trial.seconds_to_roll_back
        table.add_row(
            trial.version,
            trial.ended,
            f"{trial.seconds:.0f}",
            str(trial.answered),
            str(trial.failed),
            str(trial.stable_failed),
            "" if back is None else f"{back:.1f}",
        )
    console.print(table)
    for trial in trials:
        console.print(f"{trial.version} ({trial.what}) {trial.ended}: {trial.reason}", highlight=False)
    splits = Table(title="Requests by step, beside the binomial 99% interval")
    for column in ("version", "step %", "requests", "by the version", "interval", "within"):
        splits.add_column(column, justify="right")
    for trial in trials:
        for split in trial.splits:
            splits.add_row(
                trial.version,
                str(split.percent),
                str(split.requests),
                str(split.by_candidate),
                f"{split.low} to {split.high}",
                "yes" if split.within else "no",
            )
    console.print(splits)
