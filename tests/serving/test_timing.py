"""What is measured of a model at load, and whether rows of several requests may run together."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from ops.demo_model import DemoModel
from serving.execution.cost import MEASURED_ROWS
from serving.model import Array, Model
from serving.timing import BUDGET_SECONDS, RUNS, timing_of
from tests.serving import onnx_models


def test_a_row_is_timed_alone_and_among_others(tmp_path: Path) -> None:
    path, metadata = onnx_models.linear(tmp_path)
    model = Model.load(metadata, path)
    ticks = count()
    timing = timing_of(model, clock=lambda: 0.001 * next(ticks))
    # Every run takes one tick here, of however many rows it is.
    assert timing.row_seconds == pytest.approx(0.001)
    assert timing.batch_gain == pytest.approx(MEASURED_ROWS)


@pytest.mark.parametrize(("seconds", "runs"), [(1e-6, RUNS), (BUDGET_SECONDS, 1)])
def test_a_slow_model_is_run_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, runs: int
) -> None:
    path, metadata = onnx_models.linear(tmp_path)
    model = Model.load(metadata, path)
    rows: list[int] = []
    predict = model.predict

    def counted(inputs: dict[str, Array]) -> dict[str, Array]:
        rows.append(len(inputs["x"]))
        return predict(inputs)

    monkeypatch.setattr(model, "predict", counted)
    ticks = count()
    timing_of(model, clock=lambda: seconds * next(ticks))
    assert rows == [1] * (1 + runs) + [MEASURED_ROWS] * (1 + runs)


def test_rows_for_timing_are_those_of_the_sample_over_and_over(tmp_path: Path) -> None:
    path, metadata = onnx_models.linear(tmp_path)
    sample = metadata.sample
    assert sample is not None
    rows = Model.load(metadata, path).some_rows(onnx_models.ROWS + 1)["x"].tolist()
    assert rows == [*sample.inputs["x"], sample.inputs["x"][0]]
    assert not Model.load(replace(metadata, sample=None), path).some_rows(3)["x"].any()


def test_a_model_whose_rows_are_independent_may_be_batched(tmp_path: Path, first: DemoModel) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(first.onnx)
    assert Model.load(first.metadata, path).batchable


def test_a_model_whose_rows_depend_on_each_other_may_not_be_batched(tmp_path: Path) -> None:
    path, metadata = onnx_models.neighbours(tmp_path)
    assert not Model.load(metadata, path).batchable


def test_a_model_whose_outputs_do_not_count_rows_is_served_and_not_batched(tmp_path: Path) -> None:
    path, metadata = onnx_models.first_row_only(tmp_path)
    for described in (metadata, replace(metadata, sample=None)):
        model = Model.load(described, path)
        assert not model.batchable
        assert model.predict(model.some_rows(2))["y"].shape == (1, 2)
