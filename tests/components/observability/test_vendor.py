"""Vendored definitions are what the lock says, and what upstream wrote but for its prose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.observability.vendor import (
    CRD_FOLDER,
    LOCK_NAME,
    UPSTREAMS,
    InvalidSource,
    Locked,
    Upstream,
    main,
    read_lock,
    sha256,
    vendor,
    without_prose,
)

DEFINITION = """\
spec:
  versions:
  - name: v1
    additionalPrinterColumns:
    - name: Age
      description: of the object
    schema:
      openAPIV3Schema:
        description: A widget
        type: object
        properties:
          description:
            description: Said of the widget
            type: string
          operator:
            enum: ['!=', =]
            type: string
          parts:
            type: array
            items:
              description: A part
              anyOf:
              - type: string
                description: By name
              - type: integer
"""
UPSTREAM = Upstream(module="a/b", version="v1", licence="MIT", folder="crds", files=("widgets.yaml",))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tree(tmp_path / "source", UPSTREAM, DEFINITION)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def tree(folder: Path, upstream: Upstream, text: str) -> Path:
    for name in upstream.files:
        path = folder / upstream.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def schema_of(text: bytes) -> dict[str, Any]:
    return yaml.safe_load(text)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("line", read_lock(), ids=lambda line: line.file)
def test_a_vendored_file_has_the_bytes_that_the_lock_names(line: Locked) -> None:
    assert sha256((CRD_FOLDER / line.file).read_bytes()) == line.vendored_sha256


def test_every_file_has_a_line_in_the_lock_and_every_line_its_upstream() -> None:
    lines = read_lock()
    assert sorted(line.file for line in lines) == sorted(path.name for path in CRD_FOLDER.glob("*.yaml"))
    assert {(line.module, line.version) for line in lines} == {(one.module, one.version) for one in UPSTREAMS}
    assert sorted(line.file for line in lines) == sorted(name for one in UPSTREAMS for name in one.files)


def test_prose_goes_and_a_field_called_description_stays() -> None:
    schema = schema_of(without_prose(DEFINITION.encode()))
    assert "description" not in schema
    assert schema["properties"]["description"] == {"type": "string"}
    assert schema["properties"]["parts"]["items"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}


def test_a_bare_equals_sign_stays_text() -> None:
    assert schema_of(without_prose(DEFINITION.encode()))["properties"]["operator"]["enum"] == ["!=", "="]


def test_vendoring_twice_writes_the_same_bytes(source: Path, target: Path) -> None:
    vendor(source, target, [UPSTREAM])
    first = {path.name: path.read_bytes() for path in target.iterdir()}
    vendor(source, target, [UPSTREAM])
    assert {path.name: path.read_bytes() for path in target.iterdir()} == first
    assert sorted(first) == [LOCK_NAME, "widgets.yaml"]


def test_the_lock_says_where_a_file_came_from(source: Path, target: Path) -> None:
    vendor(source, target, [UPSTREAM])
    [line] = json.loads((target / LOCK_NAME).read_text())
    assert line == {
        "file": "widgets.yaml",
        "module": "a/b",
        "version": "v1",
        "licence": "MIT",
        "path": "crds/widgets.yaml",
        "original_sha256": sha256(DEFINITION.encode()),
        "vendored_sha256": sha256((target / "widgets.yaml").read_bytes()),
    }


def test_lines_of_another_upstream_stay(source: Path, target: Path, tmp_path: Path) -> None:
    other = Upstream(module="c/d", version="v2", licence="MIT", folder="config", files=("gadgets.yaml",))
    vendor(source, target, [UPSTREAM, other])
    vendor(tree(tmp_path / "other", other, DEFINITION), target, [UPSTREAM, other])
    assert [line.module for line in read_lock(target)] == ["c/d", "a/b"]


def test_other_bytes_under_the_same_tag_are_refused_and_nothing_is_written(source: Path, target: Path) -> None:
    vendor(source, target, [UPSTREAM])
    before = (target / "widgets.yaml").read_bytes()
    tree(source, UPSTREAM, DEFINITION.replace("v1", "v2"))
    with pytest.raises(InvalidSource, match=r"crds/widgets\.yaml differs from what was locked for a/b v1"):
        vendor(source, target, [UPSTREAM])
    assert (target / "widgets.yaml").read_bytes() == before


def test_a_new_tag_may_bring_other_bytes(source: Path, target: Path) -> None:
    vendor(source, target, [UPSTREAM])
    tree(source, UPSTREAM, DEFINITION.replace("v1", "v2"))
    [line] = vendor(source, target, [replace(UPSTREAM, version="v2")])
    assert line.version == "v2"


def test_a_folder_of_no_upstream_is_refused_with_what_was_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "prometheus-operator/prometheus-operator v0.93.0 with its example/prometheus-operator-crd" in said
