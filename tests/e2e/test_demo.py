"""The main job, as a user runs it: provision, publish, serve, predict, compare, and leave nothing behind."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from rich.console import Console

from contract import access
from localcloud import prometheus
from localcloud.program import ROOT
from localcloud.world import local_world
from ops.demo import serve_and_compare

pytestmark = pytest.mark.xdist_group("world")


def call(url: str, headers: dict[str, str], body: str) -> tuple[int, Any]:
    request = urllib.request.Request(url, data=body.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.skipif(not prometheus.is_there(), reason=prometheus.ABSENT)
def test_of_the_demos_versions_the_good_one_serves_and_each_bad_one_goes_while_no_other_request_fails() -> None:
    command = [sys.executable, "-c", "from ops.cli import main; main()", "local", "demo", "--json"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, result.stderr
    good, *bad = json.loads(result.stdout)["canaries"]
    assert (good["version"], good["ended"], good["failed"]) == ("1.1.0", "passed", 0)
    assert [split["percent"] for split in good["splits"]] == [10, 50, 100]
    assert [(trial["version"], trial["ended"]) for trial in bad] == [
        ("1.2.0", "withdrawn"),
        ("1.3.0", "withdrawn"),
        ("1.4.0", "withdrawn"),
    ]
    assert [trial["stable_failed"] for trial in (good, *bad)] == [0, 0, 0, 0]
    # It was given copies, and no user.
    assert bad[2]["answered"] == 0


def test_the_demo_ends_with_predictions_equal_to_onnxruntimes_own() -> None:
    command = [sys.executable, "-c", "from ops.cli import main; main()", "local", "demo", "--json", "--no-canaries"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout)
    assert seen["predictions"] == seen["equal"] == 114
    assert seen["served_version"] == seen["model"]["version"]
    assert seen["aws"]["ratio"] >= 0.7
    assert seen["kubernetes"]["HorizontalPodAutoscaler"] == 2
    assert seen["kubernetes"]["Deployment"] > 2
    assert access.KEY_PREFIX not in result.stdout + result.stderr


def test_what_is_left_running_tells_how_to_call_it_and_answers_to_that_key_alone() -> None:
    printed = io.StringIO()
    answers: dict[str, tuple[int, Any]] = {}

    def call_as_told() -> None:
        (told,) = [line for line in printed.getvalue().splitlines() if line.startswith("curl ")]
        _, url, _, content_type, _, authorization, _, body = shlex.split(told)
        headers = dict(header.split(": ", 1) for header in (content_type, authorization))
        answers["as told"] = call(url, headers, body)
        answers["without a key"] = call(url, {"Content-Type": headers["Content-Type"]}, body)
        stranger, _ = access.issue(user_id="stranger", scopes=["*"], now=time.time())
        answers["a key that is not in the table"] = call(url, {**headers, "Authorization": f"Bearer {stranger}"}, body)

    with local_world() as world:
        result = serve_and_compare(world, Console(file=printed, width=80), wait=call_as_told, canaries=False)
        kept = world.dynamodb().scan(TableName=world.keys_table)["Items"]

    status, answer = answers.pop("as told")
    assert (status, answer["model_version"]) == (200, result.served_version)
    assert {what: status for what, (status, _) in answers.items()} == {
        "without a key": 401,
        "a key that is not in the table": 401,
    }
    # Of the key itself, nothing is kept.
    (record,) = [access.from_item(item) for item in kept]
    assert (record.user_id, record.scopes) == ("demo", (result.published.name,))
