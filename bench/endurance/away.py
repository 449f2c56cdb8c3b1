"""Starts from the cache of models while S3 is away: nobody listens where it was, or whoever does never answers."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.endurance.report import Findings, Table, below, trials
from bench.endurance.stage import Stage
from bench.endurance.start import FIRST_ANSWER_SECONDS, Started, row
from bench.endurance.terminal import Steps
from bench.serving.launch import Excluded
from localcloud.moto_server import HOST, free_port

ENDPOINT = "AWS_ENDPOINT_URL"
THERE, REFUSES, SILENT = "S3 is there", "S3 refuses connections", "S3 never answers"
_BACKLOG = 512


@dataclass(frozen=True, kw_only=True)
class Away:
    trials: int
    workers: int


def run(stage: Stage, plan: Away, steps: Steps) -> Findings:
    cache = stage.new_cache()
    found: dict[str, list[Started]] = {THERE: [], REFUSES: [], SILENT: []}
    faults: dict[str, str] = {}
    with silent_endpoint() as silent:
        places = {
            THERE: {},
            REFUSES: {ENDPOINT: f"http://{HOST}:{free_port()}"},
            SILENT: {ENDPOINT: silent},
        }
        steps.begin(f"{plan.trials} starts of each kind", plan.trials)
        for number in range(plan.trials):
            # With S3 first: that fills the cache.
            for kind, place in places.items():
                if kind in faults:
                    continue
                container = stage.start(workers=plan.workers, cache=cache, place=place)
                try:
                    found[kind].append(Started(*stage.until_steady(container)))
                except Excluded as error:
                    if kind == THERE:
                        raise
                    faults[kind] = str(error)
                    steps.at(number, f"{kind}: {error}")
                finally:
                    container.end()
            steps.at(number + 1)
    return findings(found, faults)


@contextmanager
def silent_endpoint() -> Generator[str]:
    """The URL of a listener whose connections the kernel makes, and nobody reads."""
    with socket.create_server((HOST, 0), backlog=_BACKLOG) as listener:
        yield f"http://{HOST}:{listener.getsockname()[1]}"


def findings(found: dict[str, list[Started]], faults: dict[str, str]) -> Findings:
    first = {kind: [trial.seconds_to_first for trial in started] for kind, started in found.items()}
    rows = [row(kind, started) for kind, started in found.items() if started]
    return Findings(
        targets=[
            below(
                f"first right answer, {kind}, most",
                None if kind in faults else max(seconds),
                FIRST_ANSWER_SECONDS,
                "s",
            )
            for kind, seconds in first.items()
        ],
        tables=[Table(title="from the process's start, with a filled cache", rows=rows)],
        panels=[trials("away", "time to the first right answer", "s", first, FIRST_ANSWER_SECONDS)],
    )
