"""The entry program as an engine starts it: from its own folder, with its configuration in the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from localcloud.program import ROOT, example_overrides, stack_config

# Stands in for the language host: it puts the program's own folder on the path, and nothing else of the repository.
HOST = """
import runpy, sys
sys.path[0] = sys.argv[1]
from localcloud.recorder import record
from localcloud.synthetic import Synthetic
graph = record(lambda: runpy.run_path(sys.argv[1], run_name="__main__"), Synthetic(), stack=sys.argv[2])
print(len(graph.custom()), graph.exports["url"])
"""


def test_the_program_finds_its_packages_and_its_configuration_as_under_an_engine(tmp_path: Path) -> None:
    config = {**stack_config("dev"), **example_overrides("dev")}
    result = subprocess.run(
        [sys.executable, "-c", HOST, str(ROOT / "infra"), "dev"],
        cwd=tmp_path,
        env={**os.environ, "PULUMI_CONFIG": json.dumps(config), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    count, url = result.stdout.split()
    assert int(count) > 200
    assert url == "https://dev.ml.example.com"
