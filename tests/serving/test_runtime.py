"""Which processor computes, told by a stubbed list of what ONNX Runtime was built with; no GPU is needed here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from contract import service
from serving import runtime
from serving.model import InferenceFailed, Model, ModelRefused
from serving.reader import Reader
from serving.runtime import CPU, CUDA, TENSORRT, DeviceAbsent, Runtime, providers
from tests.serving import onnx_models

Stub = Any


@pytest.fixture
def built_with(monkeypatch: pytest.MonkeyPatch) -> Stub:
    def stub(*names: str) -> None:
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(names))

    return stub


@pytest.mark.parametrize(
    ("available", "asked", "chosen"),
    [
        ((CPU,), Runtime(), [CPU]),
        ((CUDA, CPU), Runtime(), [CUDA, CPU]),
        ((TENSORRT, CUDA, CPU), Runtime(), [CUDA, CPU]),
        ((TENSORRT, CUDA, CPU), Runtime(tensorrt=True), [TENSORRT, CUDA, CPU]),
        ((CUDA, CPU), Runtime(device="cpu"), [CPU]),
        ((CUDA, CPU), Runtime(device="gpu"), [CUDA, CPU]),
        ((CPU,), Runtime(tensorrt=True), [CPU]),
    ],
)
def test_a_gpu_computes_where_there_is_one_and_tensorrt_only_when_asked_for(
    built_with: Stub, available: tuple[str, ...], asked: Runtime, chosen: list[str]
) -> None:
    built_with(*available)
    assert providers(asked) == chosen


@pytest.mark.parametrize(
    ("available", "asked"),
    [((CPU,), Runtime(device="gpu")), ((CUDA, CPU), Runtime(device="gpu", tensorrt=True))],
)
def test_a_gpu_that_is_not_there_is_refused_with_what_is(
    built_with: Stub, available: tuple[str, ...], asked: Runtime
) -> None:
    built_with(*available)
    with pytest.raises(DeviceAbsent, match=r"device gpu.* was asked for, and ONNX Runtime has .*: install .* or set"):
        providers(asked)


class Opened:
    """A session that got only the processor of a machine without a driver."""

    def __init__(self, *_: Any, **given: Any) -> None:
        self.wanted = given["providers"]

    def get_providers(self) -> list[str]:
        return [CPU]

    def get_inputs(self) -> list[Any]:
        return []

    def get_outputs(self) -> list[Any]:
        return []

    def run(self, *_: Any) -> list[Any]:
        return []


def test_a_gpu_that_does_not_start_is_an_error_when_it_was_asked_for_and_else_a_warning(
    built_with: Stub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    built_with(CUDA, CPU)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Opened)
    with pytest.raises(DeviceAbsent, match=r"CUDAExecutionProvider could not be started for a\.onnx: check the driver"):
        runtime.open_session(Path("a.onnx"), Runtime(device="gpu"))
    runtime.open_session(Path("a.onnx"), Runtime())
    assert "CPUExecutionProvider computes a.onnx" in caplog.text


def test_the_settings_are_read_from_the_environment_and_faults_name_the_variable() -> None:
    given = {
        service.ENV_INFERENCE_THREADS: "2",
        service.ENV_DEVICE: "cpu",
        service.ENV_TENSORRT: "on",
        service.ENV_MODEL_VARIANT: "int8",
    }
    assert runtime.read(Reader(given)) == Runtime(threads=2, device="cpu", tensorrt=True, variant="int8")
    assert runtime.read(Reader({})) == Runtime()
    reader = Reader({service.ENV_DEVICE: "tpu"})
    runtime.read(reader)
    assert reader.faults == [f"{service.ENV_DEVICE} is 'tpu': one of auto, cpu, gpu is allowed"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_answers_as_the_public_session_does(tmp_path: Path, threads: int) -> None:
    path, metadata = onnx_models.linear(tmp_path)
    rows = np.random.default_rng(1).standard_normal((5, onnx_models.COLUMNS)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(str(path), providers=[CPU]).run(["score"], {"x": rows})
    answers = Model.load(metadata, path, runtime=Runtime(threads=threads)).predict({"x": rows})
    np.testing.assert_allclose(answers["score"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "inputs", [{}, {"x": np.zeros((1, 3), np.float32)}, {"x": np.zeros((1, onnx_models.COLUMNS), np.int64)}]
)
def test_arrays_that_the_model_does_not_take_fail_and_quote_nothing(tmp_path: Path, inputs: Any) -> None:
    path, metadata = onnx_models.linear(tmp_path)
    with pytest.raises(InferenceFailed, match=r"^ONNX Runtime raised \w+$"):
        Model.load(metadata, path).predict(inputs)


def test_a_model_of_half_precision_is_served_and_held_to_the_digits_that_it_has(tmp_path: Path) -> None:
    path, metadata = onnx_models.linear(tmp_path, "FP16")
    model = Model.load(metadata, path)
    score = model.predict(model.some_rows(2))["score"]
    assert score.dtype == np.float16
    sample = metadata.sample
    assert sample is not None
    wrong = replace(sample, outputs={"score": [[1.02 * row[0]] for row in sample.outputs["score"]]})
    with pytest.raises(ModelRefused, match="does not answer the sample"):
        Model.load(replace(metadata, sample=wrong), path)
