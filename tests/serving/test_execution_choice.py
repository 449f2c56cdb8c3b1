"""Where a version runs: what is measured, whether its rows may be joined, and what the settings say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from contract import service
from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import Version
from ops.demo_model import INPUT, DemoModel
from serving.execution import settings as execution_settings
from serving.execution.batches import Outputs
from serving.execution.choice import LEAST_SAVED_SECONDS, LONG_ROW_SECONDS, choose
from serving.execution.independence import rows_are_independent
from serving.execution.settings import ExecutionSettings
from serving.model import Array, InferenceFailed, Model
from serving.reader import Reader
from serving.timing import Timing
from tests.serving.queues import run

METADATA = ModelMetadata(
    name="timed",
    version=Version(1, 0, 0),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    framework="none",
    inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
    outputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A version of which somebody says how long it takes."""

    row_seconds: float
    batch_gain: float = 1.0
    batchable: bool = True
    shared: bool = False
    """Whether a row's answer depends on its neighbours."""
    metadata: ModelMetadata = METADATA

    def predict(self, inputs: Mapping[str, Array], /) -> Outputs:
        return {name: array / array.max() if self.shared else array for name, array in inputs.items()}


JOINED = ExecutionSettings().max_batch_rows


@pytest.mark.parametrize(
    ("mode", "version", "expected"),
    [
        pytest.param("auto", Timed(row_seconds=6e-6, batch_gain=6.6), None, id="a small model runs inline"),
        pytest.param("auto", Timed(row_seconds=4e-4, batch_gain=9.9), JOINED, id="much is saved by joining"),
        pytest.param("auto", Timed(row_seconds=4e-4), None, id="nothing is saved by joining"),
        pytest.param(
            "auto", Timed(row_seconds=4e-4, batch_gain=9.9, batchable=False), None, id="nothing may be joined"
        ),
        pytest.param(
            "auto", Timed(row_seconds=4e-4, batch_gain=9.9, shared=True), None, id="rows are found to depend on others"
        ),
        pytest.param("queued", Timed(row_seconds=1.0, batch_gain=9.9, shared=True), 1, id="they do, one by one"),
        pytest.param("auto", Timed(row_seconds=LONG_ROW_SECONDS), 1, id="a long row is queued, one by one"),
        pytest.param("auto", Timed(row_seconds=LONG_ROW_SECONDS, batch_gain=5.0), JOINED, id="a long row is joined"),
        pytest.param("auto", Timed(row_seconds=2.1 * LEAST_SAVED_SECONDS, batch_gain=2.0), JOINED, id="just enough"),
        pytest.param("auto", Timed(row_seconds=1.9 * LEAST_SAVED_SECONDS, batch_gain=2.0), None, id="just too little"),
        pytest.param("inline", Timed(row_seconds=1.0, batch_gain=10.0), None, id="inline by setting"),
        pytest.param("queued", Timed(row_seconds=6e-6, batch_gain=6.6), JOINED, id="queued by setting"),
        pytest.param("queued", Timed(row_seconds=6e-6, batchable=False), 1, id="queued by setting, one by one"),
    ],
)
def test_where_a_version_runs_follows_from_what_was_measured_and_the_setting(
    mode: execution_settings.Mode, version: Timed, expected: int | None
) -> None:
    async def test() -> None:
        wanted = replace(ExecutionSettings(), mode=mode)
        timing = Timing(row_seconds=version.row_seconds, batch_gain=version.batch_gain)
        queue = choose(version, timing, wanted, max_wait_ms=100, loop=asyncio.get_running_loop())
        assert (None if queue is None else queue.max_batch_rows) == expected

    run(test)


def test_a_model_whose_rows_do_not_touch_each_other_may_be_joined(first: DemoModel, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(first.onnx)
    model = Model.load(first.metadata, path)
    assert rows_are_independent(first.metadata, model.predict)
    assert rows_are_independent(replace(first.metadata, sample=None), model.predict)


def test_a_model_that_scales_by_the_largest_value_of_a_run_may_not_be_joined(first: DemoModel) -> None:
    def quantised(inputs: Mapping[str, Array]) -> Outputs:
        x = inputs[INPUT]
        step = np.abs(x).max() / 127
        return {"scores": np.round(x / step) * step}

    assert not rows_are_independent(first.metadata, quantised)
    assert not rows_are_independent(replace(first.metadata, sample=None), quantised)


def test_a_model_with_one_output_for_all_rows_or_none_at_all_may_not_be_joined(first: DemoModel) -> None:
    def total(inputs: Mapping[str, Array]) -> Outputs:
        return {"total": inputs[INPUT].sum(keepdims=True)}

    def failing(_: Mapping[str, Array]) -> Outputs:
        raise InferenceFailed("cannot")

    assert not rows_are_independent(first.metadata, total)
    assert not rows_are_independent(first.metadata, failing)


def test_the_settings_come_from_the_environment() -> None:
    reader = Reader(
        {
            service.ENV_EXECUTION: "queued",
            service.ENV_MAX_BATCH_ROWS: "16",
            service.ENV_MAX_WAITING_REQUESTS: "9",
        }
    )
    assert execution_settings.read(reader) == ExecutionSettings(
        mode="queued", max_batch_rows=16, max_waiting_requests=9
    )
    assert execution_settings.read(Reader({})) == ExecutionSettings()
    assert reader.faults == []


def test_settings_that_are_not_allowed_are_told_together() -> None:
    reader = Reader({service.ENV_EXECUTION: "batched", service.ENV_MAX_BATCH_ROWS: "0"})
    execution_settings.read(reader)
    assert [fault.split()[0] for fault in reader.faults] == [
        service.ENV_EXECUTION,
        service.ENV_MAX_BATCH_ROWS,
    ]
    assert "auto, inline, queued" in reader.faults[0]
