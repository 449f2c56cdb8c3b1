"""Health, metadata, versions and the index of the Open Inference Protocol, and what a client gets that asks wrongly."""

from __future__ import annotations

import json
import logging

import pytest

from tests.serving.oip_versions import Echo, Server, error_of, metadata_of, spec, tensor, tensors_of
from tests.serving.test_oip_infer import FEATURES, MARKER, ROW

MODEL = "/v2/models/{name}"
VERSION = "/v2/models/{name}/versions/{version}"


@pytest.fixture
def server() -> Server:
    """Two versions of one model, the newer with another input, and a second model."""
    return Server(
        Echo(metadata_of(FEATURES)),
        Echo(metadata_of(spec("features", "FP32", -1, 3), version="1.1.0")),
        Echo(metadata_of(spec("colour", "BYTES", -1, 1), name="paint", version="2.0.0")),
    )


def test_the_server_says_what_it_is(server: Server) -> None:
    assert server.get("/v2") == (
        200,
        {"name": "serveml", "version": "0.1.0", "extensions": ["binary_tensor_data", "model_repository"]},
    )


def test_it_lives_while_it_is_not_ready() -> None:
    asking = Server(ready=lambda: False)
    assert asking.get("/v2/health/live") == (200, {"live": True})
    assert asking.get("/v2/health/ready") == (503, {"ready": False})
    assert Server().get("/v2/health/ready") == (200, {"ready": True})


def test_a_model_tells_what_it_takes_and_which_versions_may_be_asked_for(server: Server) -> None:
    assert server.get(MODEL, name="echo") == (
        200,
        {
            "name": "echo",
            "versions": ["1.0.0", "1.1.0"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}],
            "outputs": [{"name": "same_features", "datatype": "FP32", "shape": [-1, 3]}],
        },
    )
    assert server.get(VERSION, name="echo", version="1.0.0")[1]["inputs"][0]["shape"] == [-1, 2]
    assert server.last.model_version == "1.0.0"


def test_a_loaded_model_and_version_are_ready(server: Server) -> None:
    assert server.get(MODEL + "/ready", name="paint") == (200, {"name": "paint", "ready": True})
    assert server.get(VERSION + "/ready", name="echo", version="1.0.0") == (200, {"name": "echo", "ready": True})


@pytest.mark.parametrize("path", ["", "/ready", "/infer"])
def test_a_model_or_version_that_is_not_loaded_is_not_found(server: Server, path: str) -> None:
    method = "POST" if path == "/infer" else "GET"
    for asked, name, version in (
        (MODEL, MARKER, None),
        (VERSION, "echo", MARKER),
        (VERSION, "paint", "1.0.0"),
    ):
        status, message = error_of(server.call(method, asked + path, name=name, version=version))
        assert (status, MARKER in message) == (404, False)


def test_before_any_model_is_loaded_a_client_is_told_to_come_again() -> None:
    response = Server().call("POST", MODEL + "/infer", json.dumps({"inputs": [ROW]}).encode(), name="echo")
    assert error_of(response) == (503, "no model version is loaded yet")
    assert dict(response.headers)[b"retry-after"].isdigit()


def test_a_version_in_the_path_answers_by_its_own_inputs(server: Server) -> None:
    body = json.dumps({"inputs": [ROW]}).encode()
    response = server.call("POST", VERSION + "/infer", body, name="echo", version="1.0.0")
    assert json.loads(response.body)["model_version"] == "1.0.0"
    assert server.call("POST", MODEL + "/infer", body, name="echo").status == 400
    assert server.counted.outcomes == [("1.0.0", "ok"), ("1.1.0", "invalid")]


def test_a_version_loaded_anew_answers_by_its_new_metadata(server: Server) -> None:
    asked = {"inputs": [tensor("features", "FP32", [1, 4], [1, 2, 3, 4])]}
    assert server.infer(asked).status == 400
    server.models.versions[1] = Echo(metadata_of(spec("features", "FP32", -1, 4), version="1.1.0"))
    assert tensors_of(server.infer(asked))["same_features"].tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    "content_type", [None, b"application/json", b"Application/JSON; charset=utf-8", b"application/octet-stream"]
)
def test_the_body_may_be_declared_as_the_protocol_s_clients_do(content_type: bytes | None) -> None:
    headers = {} if content_type is None else {b"content-type": content_type}
    assert Server(Echo(metadata_of(FEATURES))).infer({"inputs": [ROW]}, headers=headers).status == 200


@pytest.mark.parametrize(
    "headers", [{b"content-type": b"text/plain"}, {b"content-type": b""}, {b"content-encoding": b"gzip"}]
)
def test_a_body_declared_as_something_else_is_refused(headers: dict[bytes, bytes]) -> None:
    assert error_of(Server(Echo(metadata_of(FEATURES))).infer({"inputs": [ROW]}, headers=headers))[0] == 415


def test_a_model_that_fails_is_the_server_s_fault_and_its_cause_is_kept_back(caplog: pytest.LogCaptureFixture) -> None:
    echo = Echo(metadata_of(FEATURES))
    echo.broken = True
    server = Server(echo)
    with caplog.at_level(logging.ERROR):
        status, message = error_of(server.infer({"inputs": [ROW]}))
    assert (status, message.startswith("the model could not answer")) == (500, True)
    assert (server.counted.outcomes, server.counted.errors) == ([("1.0.0", "failed")], ["inference"])
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [("ONNX Runtime raised Fail", None)]
