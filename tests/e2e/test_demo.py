"""The main job, as a user runs it: provision, publish, serve, predict, compare, and leave nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from localcloud.program import ROOT

pytestmark = pytest.mark.xdist_group("world")


def test_the_demo_ends_with_predictions_equal_to_onnxruntimes_own() -> None:
    command = [sys.executable, "-c", "from ops.cli import main; main()", "local", "demo", "--json"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout)
    assert seen["predictions"] == seen["equal"] == 114
    assert seen["served_version"] == seen["model"]["version"]
    assert seen["aws"]["ratio"] >= 0.7
    assert seen["kubernetes"]["Deployment"] == 2
