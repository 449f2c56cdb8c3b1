"""A container from its start without a model, through new and bad versions, to SIGTERM."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contract import checksums
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from ops.demo_model import NAME, DemoModel
from tests.serving.conftest import Publish, StartContainer
from tests.serving.process import PATIENCE_SECONDS, ROOT, Answer, Container


@contextmanager
def steady_requests(container: Container, row: list[float]) -> Iterator[list[Answer]]:
    """One request after the other while the block runs, and their answers."""
    answers: list[Answer] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            answers.append(container.predict({"instances": [row]}))

    client = threading.Thread(target=send)
    client.start()
    try:
        yield answers
    finally:
        stop.set()
        client.join()


def test_a_container_without_a_version_is_alive_but_not_ready_until_one_is_published(
    start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    container = start()
    answer = container.predict({"instances": [first.holdout_rows[0]]})
    assert (answer.status, answer.json["error"]["code"], answer.headers["retry-after"]) == (503, "no_model", "5")
    health = container.call("GET", "/health", probes=True)
    assert (health.status, health.json["status"]) == (503, "starting")

    upload(first)
    container.wait_for_line("serving breast-cancer 1.0.0")
    assert container.call("GET", "/health", probes=True).status == 200


def test_new_versions_take_over_without_a_failed_request_and_corrupt_ones_do_not(
    start: StartContainer, upload: Publish, s3: Any, own_bucket: str, first: DemoModel, second: DemoModel
) -> None:
    upload(first)
    container = start()
    container.wait_for_line("serving breast-cancer 1.0.0")

    with steady_requests(container, first.holdout_rows[0]) as answers:
        upload(second)
        container.wait_for_line("serving breast-cancer 1.1.0")
        prefix = version_prefix(NAME, Version(2, 0, 0))
        promised = checksums.render({MODEL_FILE: "0" * 64, METADATA_FILE: "0" * 64})
        for file, data in ((MODEL_FILE, first.onnx), (METADATA_FILE, b"{}"), (CHECKSUMS_FILE, promised)):
            s3.put_object(Bucket=own_bucket, Key=f"{prefix}{file}", Body=data)
        refusal = json.loads(container.wait_for_line("refused version 2.0.0"))

    assert refusal["level"] == "error"
    assert refusal["message"].endswith("still serving 1.1.0")
    assert {answer.status for answer in answers} == {200}
    versions = [answer.headers["x-model-version"] for answer in answers]
    assert versions == sorted(versions)
    assert set(versions) == {"1.0.0", "1.1.0"}


def test_sigterm_turns_readiness_off_first_and_loses_no_request(
    start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    upload(first)
    container = start(SERVEML_DRAIN_SECONDS="600")
    container.wait_for_line("serving breast-cancer 1.0.0")
    body = json.dumps({"instances": [first.holdout_rows[0]]}).encode()
    with socket.create_connection(("127.0.0.1", container.port), timeout=PATIENCE_SECONDS) as slow:
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        slow.sendall(f"{head}\r\n".encode() + body[:40])

        container.signal(signal.SIGTERM)
        container.wait_for_line("draining")
        health = container.call("GET", "/health", probes=True)
        assert (health.status, health.json["status"]) == (503, "draining")
        during = container.predict({"instances": [first.holdout_rows[0]]})
        assert (during.status, during.headers["connection"]) == (200, "close")

        # The second signal ends the drain; the request that is half sent is still finished.
        container.signal(signal.SIGTERM)
        wait_until_refused(container)
        assert container.call("GET", "/health", probes=True).status == 503
        slow.sendall(body[40:])
        assert slow.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
    assert container.wait() == 0


def wait_until_refused(container: Container) -> None:
    """Return once the service's port takes no connections."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", container.port), timeout=1).close()
        except TimeoutError:  # more than the container's queue of connections holds
            continue
        except ConnectionError:  # refused, or reset when it came in the very moment of closing
            return


def test_a_pinned_version_is_served_although_a_higher_one_is_published(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel
) -> None:
    upload(first)
    upload(second)
    container = start(SERVEML_MODEL_VERSION="1.0.0")
    container.wait_for_line("serving breast-cancer 1.0.0")
    container.signal(signal.SIGTERM)
    assert container.wait() == 0


def test_wrong_settings_end_the_process_with_all_of_them_named() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "serving"],
        cwd=ROOT,
        env={"SERVEML_MODEL_NAME": "Churn!", "SERVEML_HTTP_PORT": "http"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert [line.partition(" ")[0].rstrip(":") for line in result.stderr.splitlines()] == [
        "SERVEML_MODELS_BUCKET",
        "SERVEML_MODEL_NAME",
        "SERVEML_HTTP_PORT",
        "SERVEML_AUTHENTICATION",
    ]
