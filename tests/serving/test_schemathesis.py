"""The running service against its own document, by requests that schemathesis makes of the document.

For longer than here, with a container on PORT:
  schemathesis --config-file tests/serving/schemathesis.toml run http://127.0.0.1:PORT/openapi.json \
    -H "Authorization: Bearer KEY" --continue-on-failure --max-examples 150
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from contract import access
from ops.demo_model import DemoModel
from tests.serving.conftest import Publish, StartContainer
from tests.serving.process import ROOT, Container

CONFIGURATION = ROOT / "tests" / "serving" / "schemathesis.toml"
EXAMPLES = 5
"""For each operation, besides those at the edges of each schema."""
SEED = 7
PATIENCE_SECONDS = 120


def check(container: Container, directory: Path, *arguments: str) -> str:
    """The report of a run without failures."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"]
    command += [f"http://127.0.0.1:{container.port}/openapi.json", f"--seed={SEED}", f"--max-examples={EXAMPLES}"]
    done = subprocess.run(
        [*command, "--no-color", "--continue-on-failure", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


def test_everything_the_service_answers_is_what_its_document_says(
    start: StartContainer, upload: Publish, first: DemoModel, tmp_path: Path
) -> None:
    upload(first)
    container = start()
    container.wait_for_line("serving breast-cancer 1.0.0")
    report = check(container, tmp_path)
    operations = re.search(r"Operations: +(\d+) selected / (\d+) total", report)
    assert operations is not None
    assert operations[1] == operations[2]
    assert int(operations[1]) > 20
    assert not [line for line in container.lines if '"level":"error"' in line]


def test_credentials_are_asked_for_where_the_document_says_so(
    start: StartContainer, upload: Publish, first: DemoModel, tmp_path: Path
) -> None:
    text, record = access.issue(
        user_id="ada",
        scopes=(access.ANY_MODEL, access.OPERATOR),
        now=time.time(),
        requests_per_minute=access.MOST_REQUESTS_PER_MINUTE,
    )
    keys = tmp_path / "keys.json"
    keys.write_bytes(access.render([record]))
    upload(first)
    container = start(SERVEML_AUTHENTICATION="required", SERVEML_KEYS_FILE=str(keys))
    container.wait_for_line("serving breast-cancer 1.0.0")
    check(container, tmp_path, "-H", f"Authorization: Bearer {text}", "--phases=examples,coverage")
