"""`python -m tests.scanners`: scan the rendered manifests of prod with whichever scanners there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.scanners import suppressions
from tests.scanners.findings import Finding, UnreadableOutput
from tests.scanners.suppressions import InvalidSuppression, Verdict
from tests.scanners.tools import Tool, all_tools

MANIFESTS = Path(__file__).resolve().parents[1] / "golden" / "prod" / "manifests.yaml"


def main(
    manifests: Annotated[Path, typer.Option(help="The file to scan.", exists=True, dir_okay=False)] = MANIFESTS,
    listed: Annotated[Path, typer.Option("--suppressions", exists=True, dir_okay=False)] = suppressions.FILE,
) -> None:
    """Fail on any critical finding that is not suppressed with a reason, and on a suppression that is not needed."""
    raise typer.Exit(run(Console(soft_wrap=True, highlight=False), all_tools(), manifests, listed))


def run(console: Console, tools: Sequence[Tool], manifests: Path, listed: Path) -> int:
    """Scan, say what was found and which tools are missing, and return the exit status."""
    found, ran, failed = set[Finding](), list[str](), False
    try:
        known = suppressions.load(listed.read_text(), [tool.name for tool in tools])
    except InvalidSuppression as error:
        console.print(f"{listed.name}: {error}", style="red", markup=False)
        return 1
    for tool in tools:
        program = tool.path()
        if program is None:
            console.print(f"{tool.name} is not here and was left out; to have it: {tool.install}", markup=False)
            continue
        try:
            found |= tool.scan(program, manifests)
            ran.append(tool.name)
        except UnreadableOutput as error:
            console.print(str(error), style="red", markup=False)
            failed = True
    if not ran:
        console.print("no scanner ran: install one of those above and try again", style="red")
        return 1
    verdict = suppressions.judge(found, known, ran)
    _show(console, verdict, ran)
    return 1 if failed or not verdict.passed else 0


def _show(console: Console, verdict: Verdict, ran: Sequence[str]) -> None:
    for finding in verdict.open:
        console.print(f"{finding.tool} {finding.check}: {finding.object}: {finding.detail}", style="red", markup=False)
    for entry in verdict.unused:
        console.print(
            f"{entry.tool} {entry.check}: nothing of {entry.object} has this any more: remove the suppression",
            style="red",
            markup=False,
        )
    console.print(
        f"{', '.join(ran)}: {len(verdict.open)} open, {verdict.suppressed} suppressed, "
        f"{len(verdict.unused)} suppressions not needed"
    )


if __name__ == "__main__":
    typer.run(main)
