"""How soon after `serveml rollback` does no pod answer with the version that was withdrawn?

    python -m bench.rollback [--tries 50]

Two pods of two workers each follow the table as they do in production; users ask them without a pause. A version gets
half of the traffic, the command is started as an operator would, and the time counts from then to the last answer by
the version, whichever pod gave it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.serving.environments import ROOT
from bench.serving.invocation import machine
from bench.serving.statistics import percentile
from contract.deployment import Deployment, Gates, Stage
from contract.objects import Version
from localcloud.pod import serving_pod
from localcloud.world import LocalWorld, local_world
from ops import demo, demo_model, platform
from ops.demo_traffic import Traffic, traffic
from ops.local import outputs
from ops.models.publish import publish
from ops.rollout import transitions
from ops.rollout.records import Records
from serving.deployments.settings import REFRESH_MS

PODS, WORKERS = 2, 2
STABLE, TRIED = Version(1, 0, 0), Version(1, 1, 0)
STAGES = (Stage(percent=50), Stage(percent=100))
P99_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
SETTLED_SECONDS = REFRESH_MS / 1000 * 2
"""After the last answer by the version: longer than any worker takes to look again."""


class TookTooLong(RuntimeError):
    """The version was not answered with, or still was; the message says which."""


def measure(tries: int) -> list[float]:
    """Seconds from the command's start to the last answer by the version, for each try."""
    with ExitStack() as stack:
        world = stack.enter_context(local_world())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-rollback-")))
        model = demo_model.train(STABLE)
        name = model.metadata.name
        demo.publish_first(world, model)
        path = folder / "model.onnx"
        path.write_bytes(model.onnx)
        publish(world.s3(), world.models_bucket, name, TRIED, path, replace(model.metadata, version=TRIED))
        records = Records(world.dynamodb(), world.deployments_table)
        first = transitions.new(name, STABLE, by="bench", now=datetime.now(UTC))
        records.create(first, action="created", reason="bench")
        kept = folder / platform.FOLDER / f"{platform.LOCAL}.json"
        kept.parent.mkdir()
        kept.write_bytes(platform.encode(outputs(world)))
        # Before the pods read them: a later one is good only once the table is read again.
        key = demo.issue_key(world, model)
        pods = [
            stack.enter_context(serving_pod(world, name, name=f"pod-{number}", workers=WORKERS, refresh_ms=REFRESH_MS))
            for number in range(PODS)
        ]
        users = stack.enter_context(traffic(pods, key, model.holdout_rows))
        return [
            _try(records, name, number, users, world, folder)
            for number in track(range(tries), "rolling back", console=Console(stderr=True))
        ]


def _try(records: Records, name: str, number: int, users: Traffic, world: LocalWorld, folder: Path) -> float:
    def halve(record: Deployment) -> Deployment:
        now = datetime.now(UTC)
        started = transitions.start_canary(
            record, TRIED, canary_id=f"try-{number}", stages=STAGES, gates=Gates(), by="bench", now=now
        )
        return transitions.enter_stage(started, 0, now)

    began = time.time()
    records.change(name, halve, by="bench", action="halved", reason="bench")
    # Half of everybody's answers: each worker follows by then.
    while _share(users) < 0.4:
        if time.time() - began > PATIENCE_SECONDS:
            raise TookTooLong(f"{TRIED} had no half of the answers {PATIENCE_SECONDS:.0f} s after it was given it")
        time.sleep(0.05)
    # At any moment of a worker's pause between two looks.
    time.sleep(random.uniform(0, REFRESH_MS / 1000))
    struck = time.time()
    command = [sys.executable, "-c", "from ops.cli import main; main()", "rollback", name, "--json", "--yes"]
    subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **world.environment(), "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    ended = time.time()
    found = [answer.at for answer in users.since(struck) if answer.version == str(TRIED)]
    if not found:
        raise TookTooLong(f"{TRIED} gave no answer after the command had begun: nothing was measured")
    last = found[-1]
    while time.time() - max(last, ended) < SETTLED_SECONDS:
        time.sleep(0.1)
        last = max([last, *(answer.at for answer in users.since(last) if answer.version == str(TRIED))])
        if last - struck > PATIENCE_SECONDS:
            raise TookTooLong(f"{TRIED} still answers {PATIENCE_SECONDS:.0f} s after the rollback")
    failed = sum(answer.failed for answer in users.since(began))
    if failed:
        said = Counter(answer.status for answer in users.since(began))
        raise TookTooLong(f"requests failed meanwhile, by status: {dict(said)}")
    return last - struck


def _share(users: Traffic) -> float:
    """Of the version, in the last second's answers."""
    answers = users.since(time.time() - 1)
    return sum(answer.version == str(TRIED) for answer in answers) / max(len(answers), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how soon a rollback is in force.")
    parser.add_argument("--tries", type=int, default=50)
    tries = parser.parse_args().tries
    seconds = sorted(measure(tries))
    p99 = percentile(seconds, 99)
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(title=f"Command to last answer, {PODS} pods of {WORKERS} workers")
    for column in ("tries", "median s", "P95 s", "P99 s", "most s", "limit s"):
        table.add_column(column, justify="right")
    figures = (statistics.median(seconds), percentile(seconds, 95), p99, seconds[-1], P99_SECONDS)
    table.add_row(str(tries), *(f"{figure:.2f}" for figure in figures))
    console.print(table)
    result = {"machine": machine(), "tries": tries, "seconds": seconds, "p99_seconds": p99, "limit": P99_SECONDS}
    (ROOT / "bench" / "results" / "rollback.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0 if p99 < P99_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
