"""gRPC as a client of the running container meets it: beside HTTP, on all workers, until the end of the drain."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from contract import access, service
from localcloud.moto_server import free_port
from ops.demo_model import INPUT, NAME, DemoModel
from serving.rpc import open_inference_pb2 as pb
from tests.serving.conftest import Publish, StartContainer
from tests.serving.process import PATIENCE_SECONDS, Container
from tests.serving.test_access_process import REQUIRED, key

INFER = "/inference.GRPCInferenceService/ModelInfer"
SERVING = f"serving {NAME} 1.0.0"


def channel_of(container: Container) -> grpc.Channel:
    line = json.loads(container.wait_for_line("gRPC on port"))["message"]
    return grpc.insecure_channel(f"127.0.0.1:{re.findall(r'[0-9]+', line)[0]}")


def infer(channel: grpc.Channel, row: list[float], *metadata: tuple[str, str]) -> list[float]:
    """The answer's probabilities, of raw tensors in and out."""
    request = pb.ModelInferRequest(
        model_name=NAME,
        inputs=[pb.ModelInferRequest.InferInputTensor(name=INPUT, datatype="FP32", shape=[1, len(row)])],
        raw_input_contents=[np.array(row, np.float32).tobytes()],
    )
    call = channel.unary_unary(
        INFER,
        request_serializer=lambda sent: sent.SerializeToString(),
        response_deserializer=pb.ModelInferResponse.FromString,
    )
    answer = call(request, metadata=metadata, timeout=PATIENCE_SECONDS, wait_for_ready=True)
    raw = dict(zip((output.name for output in answer.outputs), answer.raw_output_contents, strict=True))
    return np.frombuffer(raw["probabilities"], np.float32).tolist()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_both_protocols_give_the_same_answer_and_end_together(
    workers: str, start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    upload(first)
    container = start(SERVEML_GRPC_PORT="0", SERVEML_WORKERS=workers, SERVEML_DRAIN_SECONDS="1")
    container.wait_for_line(SERVING)
    row = first.holdout_rows[0]
    with channel_of(container) as channel:
        expected = container.predict({"instances": [row]}).json["outputs"]["probabilities"][0]
        assert infer(channel, row) == pytest.approx(expected, rel=1e-6)
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
    assert [line for line in container.log() if line["message"].startswith(f"POST {INFER} 200")]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_container_is_ready_only_once_it_takes_grpc_calls(
    workers: str, start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    upload(first)
    port = free_port()
    container = start(SERVEML_GRPC_PORT=str(port), SERVEML_WORKERS=workers)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while container.call("GET", service.READY_PATH, probes=True).status != 200:
        assert time.monotonic() < deadline
    # Nothing listens: refused at once.
    socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS).close()


def test_grpc_asks_for_the_same_credentials(
    start: StartContainer, upload: Publish, first: DemoModel, tmp_path: Path
) -> None:
    ada, record = key(NAME)
    keys = tmp_path / "keys.json"
    keys.write_bytes(access.render([record]))
    upload(first)
    container = start(**REQUIRED, SERVEML_KEYS_FILE=str(keys), SERVEML_GRPC_PORT="0")
    container.wait_for_line(SERVING)
    row = first.holdout_rows[0]
    with channel_of(container) as channel:
        assert len(infer(channel, row, ("authorization", ada["Authorization"]))) == 2
        with pytest.raises(grpc.RpcError) as refused:
            infer(channel, row)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
