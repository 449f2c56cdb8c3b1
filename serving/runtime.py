"""ONNX Runtime: on which processor a session computes, with which options, and the shortest way into it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, cast

import numpy.typing as npt

# The wheel reports to its maker by default (microsoft/onnxruntime pull request 27379), and reads this as it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from contract import service
from serving.reader import Reader

logger = logging.getLogger(__name__)

Array = npt.NDArray[Any]

Device = Literal["auto", "cpu", "gpu"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "gpu")

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


class DeviceAbsent(Exception):
    """The processor that was asked for is not there; the message says what is, and what to do."""


class SessionRefused(Exception):
    """ONNX Runtime does not take the file."""


class Tensor(Protocol):
    """An input or output as the file describes it."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class Run(Protocol):
    def __call__(
        self, output_names: Sequence[str], input_feed: Mapping[str, Array], run_options: None, /
    ) -> Sequence[Array]: ...


class Session(NamedTuple):
    """An open model; `run` takes inputs that were checked against `inputs`."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    run: Run


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How sessions are made, alike for every model of a worker."""

    threads: int = 1
    device: Device = "auto"
    """`auto` takes a GPU where there is one; with `gpu`, a server without one does not start."""
    tensorrt: bool = False
    """Let TensorRT compile models for the GPU, which takes minutes for each when it is loaded."""
    variant: str | None = None
    """Which of a version's files to serve, where it lists one of that name."""


def read(reader: Reader) -> Runtime:
    defaults = Runtime()
    return Runtime(
        threads=reader.number(service.ENV_INFERENCE_THREADS, defaults.threads, 1, 64),
        device=cast(Device, reader.choice(service.ENV_DEVICE, defaults.device, DEVICES)),
        tensorrt=reader.choice(service.ENV_TENSORRT, "off", ("off", "on")) == "on",
        variant=reader.text(service.ENV_MODEL_VARIANT, str)
        if reader.given(service.ENV_MODEL_VARIANT)
        else defaults.variant,
    )


def providers(runtime: Runtime) -> list[str]:
    """ONNX Runtime's names of what computes, the first choice first; raise DeviceAbsent.

    This is what ONNX Runtime was built with: whether the GPU itself is there shows when a session is opened.
    """
    available = cast(list[str], cast(Any, onnxruntime).get_available_providers())
    if runtime.device == "cpu":
        return [CPU]
    if CUDA in available:
        wanted = [TENSORRT, CUDA, CPU] if runtime.tensorrt else [CUDA, CPU]
        if wanted[0] in available:
            return wanted
    elif runtime.device == "auto":
        return [CPU]
    asked = f"{runtime.device} with TensorRT" if runtime.tensorrt else runtime.device
    raise DeviceAbsent(
        f"the device {asked} was asked for, and ONNX Runtime has {', '.join(available)}: install onnxruntime-gpu in "
        f"place of onnxruntime, or set {service.ENV_DEVICE}=cpu"
    )


def open_session(path: Path, runtime: Runtime) -> Session:
    """Raise DeviceAbsent or SessionRefused."""
    wanted = providers(runtime)
    options = cast(Any, onnxruntime).SessionOptions()
    # One request is one small computation: more threads than asked for would only wait for each other.
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    # Threads that spin between operators cost three times the processor time, for the same median latency.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        session = cast(Any, onnxruntime.InferenceSession(str(path), options, providers=wanted))
    except Exception as error:
        # ONNX Runtime raises classes of its own that share no base below Exception.
        raise SessionRefused(f"ONNX Runtime does not open {path.name}: {type(error).__name__}") from error
    _check_device(runtime, wanted, session.get_providers(), path.name)
    return Session(session.get_inputs(), session.get_outputs(), _direct(session))


def _check_device(runtime: Runtime, wanted: list[str], got: list[str], file: str) -> None:
    if wanted[0] in got:
        return
    # The runtime itself only prints this and goes on with the next of the list.
    if runtime.device == "gpu":
        raise DeviceAbsent(
            f"{wanted[0]} could not be started for {file}: check the driver and that the container may use the GPU, or "
            f"set {service.ENV_DEVICE}=cpu"
        )
    logger.warning("%s could not be started, %s computes %s", wanted[0], got[0], file)


def _direct(session: Any) -> Run:
    """The native session's own `run`: Session.run checks the inputs' names once more, which takes a microsecond.

    It also changes over to the CPU by itself, and prints that, when a GPU fails; here that is an error.
    """
    native = getattr(session, "_sess", None)
    return cast(Run, session.run if native is None else native.run)
