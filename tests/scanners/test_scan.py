"""The scan as a whole, with a small program in the place of a scanner."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.scanners import findings, outputs
from tests.scanners.__main__ import run
from tests.scanners.tools import Tool

SUPPRESSED = "- {tool: own-scanner, check: schema, object: service/web, reason: known}"
MISSING = Tool(name="no-such-scanner", arguments=[], read=findings.yamllint, install="uv tool install no-such-scanner")

Scan = Callable[..., tuple[int, str]]


def scanner(folder: Path, monkeypatch: pytest.MonkeyPatch, *, output: str, errors: str = "") -> Tool:
    """Prints what it is told to, and exits as a scanner does that found something."""
    (folder / "out").write_text(output)
    (folder / "errors").write_text(errors)
    program = folder / "own-scanner"
    program.write_text(f"#!/bin/sh\ncat {folder}/out\ncat {folder}/errors >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def read(text: str) -> set[findings.Finding]:
        return {found._replace(tool="own-scanner") for found in findings.kubernetes_validate(text)}

    return Tool(name="own-scanner", arguments=[], read=read, install="make it")


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    def scanned(*tools: Tool, listed: str = "[]") -> tuple[int, str]:
        said = io.StringIO()
        (tmp_path / "suppressions.yaml").write_text(listed)
        console = Console(file=said, width=200)
        return run(console, tools, tmp_path / "m.yaml", tmp_path / "suppressions.yaml"), said.getvalue()

    return scanned


def test_a_finding_fails_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Scan) -> None:
    status, said = scan(scanner(tmp_path, monkeypatch, output=outputs.KUBERNETES_VALIDATE))
    assert status == 1
    assert "own-scanner schema: service/web: spec.ports: 5 is not of type 'array'" in said


def test_a_suppressed_finding_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Scan) -> None:
    tool = scanner(tmp_path, monkeypatch, output=outputs.KUBERNETES_VALIDATE)
    status, said = scan(tool, listed=SUPPRESSED)
    assert (status, said) == (0, "own-scanner: 0 open, 1 suppressed, 0 suppressions not needed\n")


def test_a_suppression_that_is_not_needed_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Scan) -> None:
    status, said = scan(scanner(tmp_path, monkeypatch, output=""), listed=SUPPRESSED)
    assert status == 1
    assert "nothing of service/web has this any more: remove the suppression" in said


def test_a_tool_that_could_not_scan_fails_with_what_it_said_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Scan
) -> None:
    status, said = scan(scanner(tmp_path, monkeypatch, output="FATAL", errors="first\nno such version\n"))
    assert status == 1
    assert "kubernetes-validate said: FATAL (no such version)" in said


def test_a_missing_tool_is_named_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Scan
) -> None:
    status, said = scan(MISSING, scanner(tmp_path, monkeypatch, output=""))
    assert status == 0
    assert "no-such-scanner is not here and was left out; to have it: uv tool install no-such-scanner" in said


def test_without_any_tool_the_scan_fails(scan: Scan) -> None:
    status, said = scan(MISSING)
    assert status == 1
    assert "no scanner ran" in said


def test_a_list_that_cannot_be_read_fails_before_anything_is_scanned(scan: Scan) -> None:
    status, said = scan(MISSING, listed="- {tool: trivy, check: a, object: b, reason: c}")
    assert (status, said) == (
        1,
        "suppressions.yaml: suppression 1: the tool 'trivy' is none of no-such-scanner\n",
    )
