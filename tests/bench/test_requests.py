"""The load: scripts for wrk, bytes on the wire, answers read, and what wrk printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.serving import servers, wrk
from bench.serving.environments import REQUIREMENTS
from bench.serving.open_loop import http_request
from bench.serving.servers import UnknownServer
from bench.serving.workload import (
    Oracle,
    Prediction,
    batches,
    open_inference,
    read_kserve,
    read_open_inference,
    read_ours,
)
from contract.objects import Version
from ops import demo_model
from tests.serving.process import ROOT

ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def test_requests_differ_so_that_no_server_gains_by_remembering() -> None:
    assert batches(ROWS, 1, 64) == [[ROWS[0]], [ROWS[1]], [ROWS[2]]]
    assert batches(ROWS, 2, 3)[2] == [ROWS[2], ROWS[0]]
    assert len(batches(ROWS, 5, 1)[0]) == 5


def test_the_open_inference_body_has_one_flat_tensor_and_its_answer_is_read_back_in_rows() -> None:
    tensor = json.loads(open_inference(ROWS))["inputs"][0]
    assert (tensor["shape"], tensor["data"], tensor["datatype"]) == ([3, 2], [1, 2, 3, 4, 5, 6], "FP32")
    answer = {
        "outputs": [
            {"name": "probabilities", "shape": [2, 2], "data": [0.1, 0.9, 0.7, 0.3]},
            {"name": "label", "shape": [2, 1], "data": [1, 0]},
        ]
    }
    assert read_open_inference(answer) == Prediction([1, 0], [[0.1, 0.9], [0.7, 0.3]])


def test_each_dialect_s_answer_is_read_alike() -> None:
    said = Prediction([1], [[0.25, 0.75]])
    assert read_ours({"outputs": {"label": [1], "probabilities": [[0.25, 0.75]]}}) == said
    assert read_kserve({"predictions": [1], "probabilities": [[0.25, 0.75]]}) == said


def test_an_answer_is_right_only_to_the_last_bit() -> None:
    model = demo_model.train(Version(1, 0, 0), iterations=5)
    assert model.metadata.sample is not None
    rows = model.holdout_rows[:5]
    label, probabilities = (list(model.metadata.sample.outputs[name]) for name in ("label", "probabilities"))
    oracle = Oracle(model)
    assert oracle.fault(rows, Prediction(label, probabilities)) is None
    nearly = [[probabilities[0][0] + 1e-6, probabilities[0][1]], *probabilities[1:]]
    assert "probabilities" in (oracle.fault(rows, Prediction(label, nearly)) or "")
    assert "labels" in (oracle.fault(rows, Prediction([1 - label[0], *label[1:]], probabilities)) or "")
    assert oracle.fault(rows, Prediction(label[:1], probabilities[:1])) is not None


def test_the_script_sends_every_body_with_its_headers_and_quotes_what_lua_would_read() -> None:
    script = wrk.script("/predict", {"X-Api-Key": 'a"b\\c'}, [b'{"instances": [[1]]}', b"two"])
    assert r'"{\"instances\": [[1]]}"' in script
    assert r'["X-Api-Key"] = "a\"b\\c"' in script
    with pytest.raises(ValueError, match="printable ASCII"):
        wrk.script("/predict", {"X": "a\nb"}, [b"{}"])


def test_wrk_s_result_is_found_among_what_it_prints() -> None:
    printed = (
        "Running 1s test\n  2 threads\n"
        'RESULT {"requests":3000,"seconds":1.5,"errors":2,"p50_ms":0.5,"p95_ms":0.9,"p99_ms":1.5,"most_ms":7}\n'
    )
    load = wrk.parse(printed)
    assert (load.requests_per_second, load.errors, load.p99_ms) == (2000, 2, 1.5)


def test_wrk_without_a_result_is_an_error_that_says_what_it_wrote() -> None:
    with pytest.raises(wrk.WrkFailed, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_a_missing_wrk_is_said_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(wrk.WrkFailed, match="apt-get install wrk"):
        wrk.require()


def test_a_request_on_the_wire_has_its_length_and_ends_with_its_body() -> None:
    head, _, body = http_request("/predict", {"Content-Type": "application/json"}, b"{}").partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /predict HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Content-Length: 2",
        b"Content-Type: application/json",
    ]
    assert body == b"{}"


def test_servers_are_chosen_by_name_and_an_unknown_one_is_refused_with_the_list() -> None:
    available = servers.others()
    assert [server.name for server in servers.choose(["kserve", "floor"], available)] == ["floor", "kserve"]
    assert servers.choose([], available) == available
    with pytest.raises(UnknownServer, match=r"no server torchserve: choose of floor, fastapi"):
        servers.choose(["torchserve"], available)


def test_our_server_keeps_what_is_given_for_it_and_sends_its_headers(tmp_path: Path) -> None:
    server = servers.ours({"SERVEML_LOG_LEVEL": "warning"}, {"X-Api-Key": "k"})
    found = server.at(
        {"SERVEML_LOG_LEVEL": "info", "SERVEML_MODELS_BUCKET": "b"}, {"X-Api-Key": "other", "X-More": "m"}
    )
    variables = found.variables(servers.Start(1234, tmp_path / "model.onnx", tmp_path))
    assert variables["SERVEML_LOG_LEVEL"] == "warning"
    assert (variables["SERVEML_MODELS_BUCKET"], variables["SERVEML_HTTP_PORT"]) == ("b", "1234")
    assert found.headers == {"Content-Type": "application/json", "X-Api-Key": "k", "X-More": "m"}


def test_every_peer_is_pinned_with_hashes_and_has_the_container_s_onnx_runtime_and_numpy() -> None:
    ours = (ROOT / "requirements" / "serving.txt").read_text()
    pins = [line for line in ours.splitlines() if line.startswith(("onnxruntime==", "numpy=="))]
    assert len(pins) == 2
    locked = [server for server in servers.others() if server.locked_as is not None]
    assert {path.stem for path in REQUIREMENTS.glob("*.txt")} == {server.locked_as for server in locked}
    for server in locked:
        lock = (REQUIREMENTS / f"{server.locked_as}.txt").read_text()
        assert server.version is not None
        assert set(pins) <= set(lock.splitlines()), server.name
        assert "--hash=sha256:" in lock
        assert "://" not in lock
