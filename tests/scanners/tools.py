"""The scanners: how each is called, and where it is to be had. None is the project's own, so none must be there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.settings.sections import Cluster
from tests.scanners import findings
from tests.scanners.findings import Finding, UnreadableOutput

TIMEOUT_SECONDS = 300

# As the plan is written: sequences stand where their key does, and a line is as long as its value.
_YAML_RULES = (
    "{extends: default, rules: {document-start: disable, line-length: disable, "
    "indentation: {indent-sequences: consistent}}}"
)


@dataclass(frozen=True, kw_only=True)
class Tool:
    name: str
    arguments: Sequence[str]
    """Between the program's name and the file's."""
    read: Callable[[str], set[Finding]]
    install: str
    """The command that makes it available."""

    def path(self) -> str | None:
        """Of the program, beside the Python that runs or on PATH; None if there is none."""
        beside = Path(sys.executable).with_name(self.name)
        return str(beside) if beside.exists() else shutil.which(self.name)

    def scan(self, program: str, manifests: Path) -> set[Finding]:
        """Raise UnreadableOutput where it could not scan. Its exit status only says whether it found anything."""
        try:
            done = subprocess.run(
                [program, *self.arguments, str(manifests)],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnreadableOutput(f"{self.name} was still busy after {TIMEOUT_SECONDS} s") from None
        try:
            return self.read(done.stdout)
        except UnreadableOutput as error:
            last = (done.stderr.strip().splitlines() or ["and nothing on its error stream"])[-1]
            raise UnreadableOutput(f"{error} ({last})") from None


def all_tools() -> list[Tool]:
    version = Cluster().kubernetes_version
    return [
        Tool(
            name="kube-score",
            arguments=["score", "--output-format", "json", "--kubernetes-version", f"v{version}"],
            read=findings.kube_score,
            install="go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0",
        ),
        Tool(
            name="checkov",
            arguments=["--framework", "kubernetes", "--skip-download", "--compact", "--output", "json", "--file"],
            read=findings.checkov,
            install="uv tool install checkov",
        ),
        Tool(
            name="kubernetes-validate",
            arguments=["--kubernetes-version", version, "--strict", "--quiet"],
            read=findings.kubernetes_validate,
            install="uv tool install kubernetes-validate",
        ),
        Tool(
            name="yamllint",
            arguments=["--format", "parsable", "--config-data", _YAML_RULES],
            read=findings.yamllint,
            install="uv tool install yamllint",
        ),
    ]
