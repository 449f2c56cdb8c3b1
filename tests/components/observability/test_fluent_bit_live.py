"""A real Fluent Bit with the platform's configuration: what becomes of lines, and where they arrive."""

from __future__ import annotations

import io
import json
import logging
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.moto_server import HOST
from serving.log import JsonLines
from tests.components.observability import node_world
from tests.components.observability.node_world import GROUP, NODE, Node, Surroundings

PROGRAM = shutil.which("fluent-bit")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs fluent-bit 5.1 on the PATH")


@pytest.fixture
def surroundings() -> Surroundings:
    return Surroundings()


@pytest.fixture
def node(tmp_path: Path, surroundings: Surroundings) -> Iterator[Node]:
    assert PROGRAM
    with node_world.node(PROGRAM, tmp_path, surroundings) as running:
        yield running


def served(message: str, **more: object) -> str:
    """A line as the serving container writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines("inference-1"))
    record = logging.makeLogRecord({"msg": message, "levelname": "WARNING", **more})
    handler.emit(record)
    return stream.getvalue().strip()


def test_a_line_of_a_serving_pod_arrives_with_its_fields_and_where_it_came_from(node: Node) -> None:
    line = served("slow answer", trace_id="t" * 32, request_id="r-1", duration_ms=512.5, model_version="1.2.0")
    node.write("inference-1", "ml-system", "inference", line)
    [event] = node.surroundings.wait_for(1)
    written: dict[str, Any] = json.loads(line)
    assert {key: event.get(key) for key in written} == written
    assert "log" not in event
    assert event["kubernetes"]["pod_name"] == "inference-1"
    assert event["kubernetes"]["namespace_name"] == "ml-system"
    assert event["kubernetes"]["labels"] == {"app.kubernetes.io/name": "inference", "track": "stable"}


def test_a_line_of_that_namespace_that_is_no_json_is_kept_as_it_is(node: Node) -> None:
    node.write("inference-1", "ml-system", "inference", "Traceback (most recent call last):")
    [event] = node.surroundings.wait_for(1)
    assert event["log"] == "Traceback (most recent call last):"
    assert event["kubernetes"]["pod_name"] == "inference-1"


def test_lines_of_other_namespaces_stay_text_whatever_they_hold(node: Node) -> None:
    line = json.dumps({"kubernetes": "mine", "level": 30})
    node.write("grafana-1", "monitoring", "grafana", line)
    [event] = node.surroundings.wait_for(1)
    assert event["log"] == line
    assert event["kubernetes"]["namespace_name"] == "monitoring"
    assert "level" not in event


def test_nothing_is_left_of_the_runtime_s_framing_but_the_stream(node: Node) -> None:
    node.write("grafana-1", "monitoring", "grafana", "started")
    [event] = node.surroundings.wait_for(1)
    assert sorted(event) == ["kubernetes", "log", "stream"]
    assert "annotations" not in event["kubernetes"]


def test_what_the_runtime_cut_is_one_event_again(node: Node) -> None:
    line = served("a" * 40_000)
    node.write_in_parts("inference-1", "ml-system", "inference", line[:16_000], line[16_000:32_000], line[32_000:])
    [event] = node.surroundings.wait_for(1)
    assert event["message"] == "a" * 40_000


def test_its_own_lines_are_not_read(node: Node) -> None:
    node.write("fluent-bit-x", "logging", "fluent-bit", "a line of its own")
    node.write("grafana-1", "monitoring", "grafana", "another's")
    [event] = node.surroundings.wait_for(1)
    assert event["log"] == "another's"


def test_streams_are_of_the_platform_s_group_and_named_after_the_node(node: Node) -> None:
    node.write("grafana-1", "monitoring", "grafana", "started")
    node.surroundings.wait_for(1)
    [stream] = node.surroundings.events
    assert stream.startswith(f"{GROUP}:{NODE}.")
    assert "grafana-1_monitoring_grafana" in stream


def test_it_signs_with_the_credentials_of_pod_identity(node: Node) -> None:
    node.write("grafana-1", "monitoring", "grafana", "started")
    node.surroundings.wait_for(1)
    assert node.surroundings.tokens == {node_world.POD_TOKEN}
    assert node.surroundings.signed == {True}


def test_what_could_not_be_delivered_is_delivered_by_the_next_start(tmp_path: Path, surroundings: Surroundings) -> None:
    assert PROGRAM
    surroundings.refusing = True
    with node_world.node(PROGRAM, tmp_path, surroundings) as first:
        first.write("grafana-1", "monitoring", "grafana", "kept on disk")
        surroundings.wait_for_request()
        # Removed, so that what arrives can only have come out of the buffer.
        for file in first.logs.iterdir():
            file.unlink()
    assert surroundings.events == {}
    surroundings.refusing = False
    with node_world.node(PROGRAM, tmp_path, surroundings):
        [event] = surroundings.wait_for(1)
    assert event["log"] == "kept on disk"


def test_its_metrics_and_health_are_where_the_manifests_say(node: Node) -> None:
    node.write("grafana-1", "monitoring", "grafana", "started")
    node.surroundings.wait_for(1)
    for path, told in (
        ("/api/v2/metrics/prometheus", "fluentbit_output_dropped_records_total"),
        ("/api/v1/health", "ok"),
    ):
        with urllib.request.urlopen(f"http://{HOST}:{node.port}{path}", timeout=5) as answer:
            assert told in answer.read().decode()
