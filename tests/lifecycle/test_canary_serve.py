"""`serveml canary serve` as a process: what it answers and logs, what it refuses, and how SIGTERM ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contract.deployment import check
from localcloud.moto_server import MotoServer
from ops import platform as platforms
from ops.commands.canary import app
from ops.commands.shown import Exit
from ops.platform import Outputs
from ops.rollout.lease import Leases
from tests.lifecycle.answers import Answer, AnswerServer
from tests.lifecycle.service_world import Many
from tests.lifecycle.table import REGION, TABLE

ROOT = Path(__file__).resolve().parents[2]
NO_SERIES = Answer(body=b'{"status":"success","data":{"resultType":"vector","result":[]}}')
SECRET = "hooks/T0PLANTED"


@pytest.fixture
def outputs(server: MotoServer, tmp_path: Path) -> Path:
    path = tmp_path / "outputs.json"
    path.write_bytes(
        platforms.encode(
            Outputs(
                regions=(REGION,),
                models_buckets={},
                staging_buckets={},
                deployments_table=TABLE,
                api_keys_table="keys",
                endpoint=server.endpoint,
            )
        )
    )
    return path


@contextmanager
def serving(outputs: Path, *said: str) -> Iterator[subprocess.Popen[str]]:
    with AnswerServer(NO_SERIES) as prometheus:
        command = [sys.executable, "-m", "ops.canary", "--env", "prod", "--outputs", str(outputs), "--port", "0"]
        process = subprocess.Popen(
            [*command, "--prometheus", prometheus.url, *said],
            cwd=ROOT,
            env={**os.environ, "SERVEML_POD_NAME": "pod-1", "SERVEML_OPERATOR": "canary-controller"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=10)


def line_with(process: subprocess.Popen[str], words: str) -> dict[str, Any]:
    """The next line of its log that says so; it ends with the process."""
    assert process.stdout is not None
    for line in process.stdout:
        found = json.loads(line)
        if words in found["message"]:
            return found
    raise AssertionError(f"it never said {words!r}: {process.communicate(timeout=10)[1]}")


def answer(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_drives_a_canary_shows_its_figures_and_gives_the_lease_up_at_sigterm(
    shared_table: Any, outputs: Path, tmp_path: Path
) -> None:
    many = Many(shared_table, ["churn"], datetime.now(UTC))
    many.start()
    hook = tmp_path / "hook"
    hook.write_text(f"http://127.0.0.1:9/{SECRET}")
    with serving(outputs, "--slack-webhook", str(hook)) as process:
        port = int(line_with(process, "asked for health at port")["message"].rpartition(" ")[2])
        driving = line_with(process, "2.0.0 at 10 percent")
        assert set(driving) == {"timestamp", "level", "service", "pod", "message", "deployment", "model_version"}
        assert (driving["service"], driving["pod"], driving["deployment"]) == ("canary-controller", "pod-1", "churn")

        assert answer(port, "/health") == (200, "ok\n")
        assert answer(port, "/health/ready") == (200, "ok\n")
        status, page = answer(port, "/metrics")
        assert status == 200
        assert "serveml_canary_controller_driving 1.0" in page
        assert answer(port, "/")[0] == 404

        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert time.monotonic() - began < 10
        assert json.loads(rest.splitlines()[-1])["message"] == "stopped"
        assert SECRET not in rest

    record = many.current("churn")
    check(record)
    assert record.canary is not None
    # Whoever comes next need not wait for it to run out.
    assert Leases(shared_table, TABLE, "default").acquire("churn") is not None


def test_what_it_cannot_work_with_is_said_in_one_line(outputs: Path, tmp_path: Path) -> None:
    hook = tmp_path / "outputs-of-nothing.json"
    there = ("--outputs", str(outputs))
    prometheus = ("--prometheus", "http://127.0.0.1:9")
    cases = {
        there: "say --prometheus URL",
        (*there, "--prometheus", "ftp://metrics"): "Prometheus' address",
        (*prometheus, "--outputs", str(hook)): "there is no file",
        (*prometheus, *there, "--log-level", "loud"): "--log-level 'loud' is none of debug, info, warning, error",
    }
    for said, why in cases.items():
        result = CliRunner(env={"SERVEML_PROMETHEUS": ""}).invoke(app, ["serve", *said], catch_exceptions=False)
        assert result.exit_code == Exit.REFUSED, result.output
        assert why in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_it_takes_nothing_of_what_the_other_commands_need() -> None:
    listed = {line.partition(">")[0] for line in (ROOT / "requirements" / "controller.in").read_text().splitlines()}
    code = (
        "import sys; before = set(sys.modules); import ops.canary.__main__; import importlib.metadata as m; "
        "d = m.packages_distributions(); "
        "tops = {n.partition('.')[0] for n in set(sys.modules) - before} - sys.stdlib_module_names; "
        "print(*sorted({x for t in tops for x in d.get(t, [])})); print(*sorted(tops & {'serving', 'localcloud'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    libraries, ours = done.stdout.splitlines()
    # What those on the list bring themselves.
    brought = {"annotated-doc", "botocore", "certifi", "click", "jmespath", "markdown-it-py", "mdurl", "pygments"}
    brought |= {"python-dateutil", "s3transfer", "shellingham", "six", "typing_extensions", "urllib3", "serveml"}
    assert {name.replace("_", "-") if name == "prometheus_client" else name for name in libraries.split()} <= (
        listed | brought
    )
    assert ours == ""
