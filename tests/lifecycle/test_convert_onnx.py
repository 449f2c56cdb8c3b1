"""Models that come as ONNX: taken as they are, described from themselves, and refused where the server would fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contract.metadata import TensorSpec, render
from contract.objects import Version
from ops.models.convert import NotTaken, Prepared, prepare
from ops.models.frameworks import onnx_files
from ops.models.frameworks.job import RowsFrom
from ops.models.publish import PublishRefused, check
from tests.lifecycle.convert_models import COLUMNS, onnx_file

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
VERSION = Version(1, 2, 0)


def take(path: Path, work: Path, **given: Any) -> Prepared:
    return prepare(path, work, name="m", version=VERSION, **given)


def refused(path: Path, work: Path, **given: Any) -> str:
    with pytest.raises(PublishRefused) as caught:
        take(path, work, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def csv(folder: Path, rows: int = 20) -> Path:
    lines = [",".join(str(row * COLUMNS + column - 5) for column in range(COLUMNS)) for row in range(rows)]
    path = folder / "rows.csv"
    path.write_text("\n".join(lines))
    return path


def external(folder: Path, location: str = "weights.bin") -> Path:
    weights = np.arange(COLUMNS * 512, dtype=np.float32).reshape(COLUMNS, 512)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, [None, COLUMNS])],
        [helper.make_tensor_value_info("y", FLOAT, [None, 512])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "big.onnx"), save_as_external_data=True, location=location, size_threshold=0)
    return folder / "big.onnx"


def test_the_file_is_published_as_it_is_and_described_from_itself(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "relu.onnx")
    prepared = take(path, tmp_path / "work", sample=csv(tmp_path), metrics={"accuracy": 0.9}, git_sha="abc")
    assert prepared.onnx.read_bytes() == path.read_bytes()
    assert prepared.metadata.inputs == (TensorSpec(name="x", datatype="FP32", shape=(-1, COLUMNS)),)
    assert prepared.metadata.outputs == (TensorSpec(name="y", datatype="FP32", shape=(-1, COLUMNS)),)
    assert prepared.metadata.framework == "ONNX of by hand"
    assert (prepared.metadata.metrics, prepared.metadata.git_sha) == ({"accuracy": 0.9}, "abc")
    assert not prepared.report.converted
    check("m", VERSION, prepared.onnx, prepared.metadata)


def test_the_first_sixteen_rows_and_their_answers_go_into_the_metadata(tmp_path: Path) -> None:
    prepared = take(onnx_file(tmp_path / "relu.onnx"), tmp_path / "work", sample=csv(tmp_path, rows=20))
    kept = prepared.metadata.sample
    assert kept is not None
    assert np.array(kept.outputs["y"]).tolist() == np.maximum(np.array(kept.inputs["x"]), 0).tolist()
    assert (len(kept.inputs["x"]), prepared.report.rows_in_metadata, prepared.report.rows) == (16, 16, 20)
    assert prepared.report.sample is RowsFrom.SAMPLE


def test_a_sample_can_be_kept_out_of_the_metadata(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "relu.onnx")
    prepared = take(path, tmp_path / "work", sample=csv(tmp_path), sample_in_metadata=False)
    assert prepared.metadata.sample is None
    assert (prepared.report.rows, prepared.report.rows_in_metadata) == (20, 0)


def test_without_a_sample_the_report_says_that_the_rows_are_made_up(tmp_path: Path) -> None:
    assert take(onnx_file(tmp_path / "relu.onnx"), tmp_path / "work").report.sample is RowsFrom.MADE_UP


def test_made_up_rows_without_a_finite_answer_are_left_out_and_a_samples_are_refused(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "log.onnx", operator="Log")
    prepared = take(path, tmp_path / "work")
    assert prepared.metadata.sample is None
    assert "NaN or infinity" in prepared.report.notes[0]
    assert "NaN or infinity in y" in refused(path, tmp_path / "work", sample=csv(tmp_path))


def test_the_same_file_gives_the_same_metadata_without_a_time_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = onnx_file(tmp_path / "relu.onnx")
    first, second = take(path, tmp_path / "one"), take(path, tmp_path / "two")
    assert render(first.metadata) == render(second.metadata)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    reproducible = take(path, tmp_path / "three").metadata
    assert reproducible == replace(first.metadata, created_at=datetime.fromtimestamp(1_700_000_000, UTC))
    given = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert take(path, tmp_path / "four", created_at=given).metadata.created_at == given
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert "SOURCE_DATE_EPOCH" in refused(path, tmp_path / "five")


def test_weights_in_other_files_are_merged_the_same_way_each_time(tmp_path: Path) -> None:
    path = external(tmp_path)
    one, two = take(path, tmp_path / "one"), take(path, tmp_path / "two")
    assert one.onnx.read_bytes() == two.onnx.read_bytes()
    assert "1 files beside big.onnx" in one.report.notes[0]
    onnx_files.check_whole(one.onnx)


def test_weights_that_are_missing_or_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = external(tmp_path)
    monkeypatch.setattr(onnx_files, "MAX_BYTES", 4096)
    assert "over 2 GiB" in refused(path, tmp_path / "work")
    monkeypatch.undo()
    (tmp_path / "weights.bin").unlink()
    assert "put them beside it" in refused(path, tmp_path / "work")


def test_weights_outside_of_the_models_folder_are_not_read(tmp_path: Path) -> None:
    path = external(tmp_path)
    model = onnx.load(str(path), load_external_data=False)
    (tmp_path / "weights.bin").rename(tmp_path.parent / "weights.bin")
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../weights.bin"
    path.write_bytes(model.SerializeToString())
    assert "could not be read" in refused(path, tmp_path / "work")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"opset": 99}, "opset 99, known is up to"),
        ({"ir_version": 99}, "IR version 99, known is up to"),
        ({"operator": "Foo"}, "operators that are not ONNX's"),
        ({"operator": "Foo", "domain": "com.acme"}, "operators that are not ONNX's"),
        ({"inputs": {"x": (FLOAT, [1, 4])}, "outputs": {"y": (FLOAT, [1, 4])}}, "fixed to 1 rows at a time"),
        ({"operator": "NonZero", "outputs": {"y": (INT64, [2, None])}}, "one entry for each row"),
        ({"operator": "Shape", "outputs": {"y": (INT64, [2])}}, "one entry for each row"),
        ({"operator": "Size", "outputs": {"y": (INT64, [])}}, "one entry for each row"),
    ],
)
def test_what_the_server_could_not_serve_is_refused(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    message = refused(onnx_file(tmp_path / "m.onnx", **given), tmp_path / "work")
    assert said in message
    assert str(tmp_path) not in message


def test_a_map_of_probabilities_is_refused_with_the_converters_option(tmp_path: Path) -> None:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression

    from tests.lifecycle.convert_models import BINARY, ROWS

    types: Any = [("x", FloatTensorType([None, COLUMNS]))]
    model: Any = convert_sklearn(LogisticRegression().fit(ROWS, BINARY), initial_types=types, target_opset=17)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert "zipmap=False" in refused(tmp_path / "m.onnx", tmp_path / "work")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.onnx", b"I am a text and no model", "is no ONNX model"),
        ("m.onnx", b"", "is empty"),
        ("m.onnx", b"\x08\x08", "no graph with outputs"),
        ("m.h5", b"x", "give one of .onnx, .pkl"),
        ("m", b"x", "give one of .onnx, .pkl"),
        ("m.pt2", b"x", "torch.onnx.export"),
        ("m.pth", b"x", "torch.onnx.export"),
    ],
)
def test_a_file_that_is_none_of_those_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert said in refused(path, tmp_path / "work")


def test_a_cut_off_model_is_refused(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:-20])
    assert "is no ONNX model" in refused(path, tmp_path / "work")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"there is no file {tmp_path / 'm.onnx'}" in refused(tmp_path / "m.onnx", tmp_path / "work")


def test_words_that_the_metadata_cannot_hold_are_refused(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "m.onnx")
    assert "no finite number" in refused(path, tmp_path / "work", metrics={"loss": float("nan")})
    assert "3 feature_names for an input of 4 columns" in refused(path, tmp_path / "work", feature_names="abc")
    with pytest.raises(NotTaken, match="lower-case letters"):
        prepare(path, tmp_path / "work", name="No Name", version=VERSION)


def test_a_sample_is_read_by_the_feature_names_given(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("d,c,b,a\n4,3,2,1\n")
    path = onnx_file(tmp_path / "m.onnx")
    prepared = take(path, tmp_path / "work", sample=tmp_path / "rows.csv", feature_names=["a", "b", "c", "d"])
    assert prepared.metadata.sample is not None
    assert prepared.metadata.sample.inputs == {"x": [[1, 2, 3, 4]]}
    assert prepared.metadata.feature_names == ("a", "b", "c", "d")


def test_a_model_of_several_inputs_answers_made_up_rows(tmp_path: Path) -> None:
    two = {"a": (FLOAT, [None, 2]), "b": (FLOAT, [None, 2])}
    prepared = take(
        onnx_file(tmp_path / "m.onnx", operator="Add", inputs=two, outputs={"y": (FLOAT, None)}), tmp_path / "work"
    )
    assert [spec.name for spec in prepared.metadata.inputs] == ["a", "b"]
    # Its shape was left out of the file, and is what it was seen to answer.
    assert prepared.metadata.outputs == (TensorSpec(name="y", datatype="FP32", shape=(-1, 2)),)
