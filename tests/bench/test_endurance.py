"""Each endurance part once, as small as it goes, against the container's real process."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.endurance import __main__ as command
from bench.endurance import away, kill, overload, soak, start, stops, terminal
from bench.endurance.report import Figure, Findings
from bench.endurance.stage import Stage, staged
from bench.endurance.terminal import Steps
from bench.serving.launch import Excluded


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged({}, {}) as made:
        yield made


@pytest.fixture
def steps() -> Iterator[Steps]:
    with terminal.steps(Console(file=io.StringIO())) as made:
        yield made


def row(findings: Findings, title: str) -> dict[str, Figure]:
    return dict(next(table for table in findings.tables if title in table.title).rows[0])


def measured(findings: Findings, name: str) -> float:
    found = next(target.measured for target in findings.targets if name in target.name)
    assert found is not None
    return found


def test_a_soak_counts_every_request_and_samples_memory_meanwhile(stage: Stage, steps: Steps) -> None:
    plan = soak.Soak(per_second=200, seconds=2, connections=8, workers=2, settle_seconds=0.5)
    found = soak.run(stage, plan, steps)
    assert row(found, "latency")["requests"] == pytest.approx(400, abs=2)
    assert measured(found, "without the right status") == 0
    memory = row(found, "memory")
    assert memory["growth KiB/min"] is not None
    assert isinstance(memory["first KiB"], float)
    assert memory["first KiB"] > 10_000
    assert {name for panel in found.panels for name in panel.series} == {"P50", "P95", "P99", "PSS"}


def test_an_overload_offers_twice_what_the_closed_loop_got(stage: Stage, steps: Steps) -> None:
    plan = overload.Overload(
        rows=200, connections=50, max_connections=200, capacity_seconds=0.5, around_seconds=4, seconds=1
    )
    found = overload.run(stage, plan, steps)
    phases = next(table for table in found.tables if "phases" in table.title).rows
    before, during, after = (entry["due/s"] for entry in phases)
    assert isinstance(before, int)
    assert isinstance(during, int)
    assert before == after
    assert during == pytest.approx(4 * before, abs=4)
    assert measured(found, "without Retry-After") == 0


def test_containers_that_are_told_to_stop_lose_nothing_behind_a_balancer(stage: Stage, steps: Steps) -> None:
    found = stops.run(stage, stops.Stops(trials=1, per_second=100, workers=1, drain_seconds=1), steps)
    assert measured(found, "failed requests") == 0
    assert measured(found, "exits with another code") == 0
    exit_seconds = row(found, "stops at")["most"]
    assert isinstance(exit_seconds, float)
    assert 1 <= exit_seconds < stops.GONE_SECONDS


def test_a_drain_that_is_shorter_than_the_balancer_s_patience_is_refused(stage: Stage, steps: Steps) -> None:
    with pytest.raises(Excluded, match="drain of 0 s is too short"):
        stops.run(stage, stops.Stops(trials=1, per_second=100, workers=1, drain_seconds=0), steps)


def test_a_killed_worker_s_successor_is_seen_to_answer_itself(stage: Stage, steps: Steps) -> None:
    found = kill.run(stage, kill.Kill(trials=1, per_second=100), steps)
    assert 0 < measured(found, "new worker's first right answer") < kill.PATIENCE_SECONDS
    held = row(found, "kills of one")["connections of the dead, median"]
    assert isinstance(held, int | float)
    assert held > 0


def test_starts_are_measured_with_a_cold_and_a_warm_cache(stage: Stage, steps: Steps) -> None:
    found = start.run(stage, start.Starts(trials=1, workers=1), steps)
    assert measured(found, "cold cache") > 0
    assert measured(found, "warm cache") > 0


def test_a_container_starts_from_its_cache_while_s3_is_away(stage: Stage, steps: Steps) -> None:
    found = away.run(stage, away.Away(trials=1, workers=1), steps)
    assert measured(found, away.REFUSES) > 0
    assert measured(found, away.SILENT) > 0


def test_a_part_s_results_are_written_and_a_missed_target_ends_with_1(
    tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed = start.findings({start.COLD: [start.Started(9.0, 9.5)], start.WARM: [start.Started(0.5, 0.6)]})

    def run(*_: object) -> Findings:
        return missed

    def given(*_: object) -> AbstractContextManager[Stage]:
        return nullcontext(stage)

    monkeypatch.setattr(command.start, "run", run)
    monkeypatch.setattr(command, "staged", given)
    arguments = ["start", "--json", "--results", str(tmp_path), "--our-variable", "SERVEML_AUTHENTICATION=off"]
    done = CliRunner().invoke(command.app, arguments)
    assert done.exit_code == command.TARGET_MISSED
    written = json.loads((tmp_path / "endurance-start.json").read_text())
    assert [target["met"] for target in written["targets"]] == [False, True]
    assert (tmp_path / "endurance-start.svg").read_text().startswith("<svg")
    assert json.loads(done.stdout) == written
