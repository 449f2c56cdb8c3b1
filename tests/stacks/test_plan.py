"""The plan in the repository is the program's, and says in a readable way where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localcloud.graph import SECRET, Graph
from localcloud.plan import difference, document
from localcloud.plan.__main__ import GOLDEN, app
from localcloud.plan.difference import Kind
from tests.stacks.conftest import build


def test_the_golden_files_are_what_the_program_makes_now(graph: Graph) -> None:
    made = document.files(graph)
    for name, text in made.items():
        assert (GOLDEN / graph.stack / name).read_text() == text, "run `make plan`, read the difference, and commit it"


def test_manifests_are_read_back_as_they_were_written(graph: Graph) -> None:
    text = document.files(graph)[document.MANIFESTS_FILE]
    assert document.read_manifests(text) == document.manifests(graph)


def test_secrets_are_masked_and_named(graph: Graph) -> None:
    for node in graph:
        for key in node.secret_inputs:
            assert SECRET in json.dumps(node.inputs[key])


@pytest.mark.xdist_group("dev")
def test_a_changed_setting_shows_as_changed_added_removed_or_replaced() -> None:
    before = build("dev")

    def changes(key: str, value: str) -> dict[Kind, int]:
        after = build("dev", (key, value))
        found = difference.compare(
            document.resources(before) | document.manifests(before),
            document.resources(after) | document.manifests(after),
        )
        return difference.tally(found)

    assert changes("serveml:owner", "others")[Kind.CHANGED] > 80
    assert changes("serveml:owner", "others")[Kind.REPLACED] == 0
    # Two more gateways, each with its address and its two alarms.
    assert changes("serveml:network", json.dumps({"nat_gateways": "per_zone"}))[Kind.ADDED] == 8
    assert changes("serveml:cluster", json.dumps({"addon_versions": {}}))[Kind.REMOVED] == 1
    assert changes("serveml:network", json.dumps({"primary_cidr": "10.9.0.0/16"}))[Kind.REPLACED] >= 7


def test_a_change_of_order_alone_is_no_difference() -> None:
    graph = build("dev")
    shuffled = Graph(graph.stack, tuple(reversed(graph.nodes)), graph.invokes, graph.exports)
    assert document.files(shuffled) == document.files(graph)


@pytest.mark.xdist_group("dev")
def test_checking_against_other_files_fails_and_says_what_differs(tmp_path: Path) -> None:
    runner = CliRunner()
    written = runner.invoke(app, ["--stack", "dev", "--golden", str(tmp_path)])
    assert written.exit_code == 0
    path = tmp_path / "dev" / document.RESOURCES_FILE
    path.write_text(path.read_text().replace('"10.0.0.0/16"', '"10.77.0.0/16"'))
    checked = runner.invoke(app, ["--check", "--stack", "dev", "--golden", str(tmp_path)])
    assert checked.exit_code == 1
    assert 'inputs.cidrBlock: "10.77.0.0/16" -> "10.0.0.0/16"' in checked.output
    assert "± replaced: serveml:network:Network$aws:ec2/vpc:Vpc" in checked.output
    assert "1 replaced" in checked.output
