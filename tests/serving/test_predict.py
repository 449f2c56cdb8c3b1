"""What `/predict` answers to good and bad requests, asked of a running container."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import numpy as np
import onnxruntime
import pytest

from ops.demo_model import INPUT, DemoModel
from tests.serving.process import Container, read

GOOD_ROW = [1.0] * 30
LARGE = b'{"instances": [[' + b"1," * 4_000_000 + b"1]]}"


def rows(*changed: Any) -> dict[str, Any]:
    return {"instances": [GOOD_ROW, *changed]}


def with_value(text: str) -> bytes:
    """Four rows, with the given text as the eighth value of the last."""
    return json.dumps(rows(GOOD_ROW, GOOD_ROW, [*GOOD_ROW[:7], "?", *GOOD_ROW[8:]])).replace('"?"', text).encode()


def test_predictions_are_those_of_onnx_runtime_on_the_same_rows(served: Container, first: DemoModel) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several threads add up the trees in another order, and round otherwise
    session = onnxruntime.InferenceSession(first.onnx, options, providers=["CPUExecutionProvider"])
    label, probabilities = session.run(None, {INPUT: np.asarray(first.holdout_rows, dtype=np.float32)})

    answer = served.predict({"instances": first.holdout_rows})

    assert answer.status == 200
    assert answer.json == {
        "model_name": "breast-cancer",
        "model_version": "1.0.0",
        "predictions": label.tolist(),
        "outputs": {"label": label.tolist(), "probabilities": probabilities.tolist()},
    }
    assert answer.headers["x-model-version"] == "1.0.0"
    assert (np.asarray(answer.json["predictions"]) == first.holdout_labels).mean() == first.accuracy > 0.9


BAD_BODIES = {
    "text for a number": (with_value('"seven"'), "wrong_type", "instances[3][7]"),
    "null for a number": (with_value("null"), "wrong_type", "instances[3][7]"),
    "true for a number": (with_value("true"), "wrong_type", "instances[3][7]"),
    "beyond double precision": (with_value("1e999"), "out_of_range", "instances[3][7]"),
    "beyond single precision": (with_value("1e39"), "out_of_range", "instances[3][7]"),
    "an integer of 5000 digits": (with_value("9" * 5000), "out_of_range", "instances[3][7]"),
    "NaN": (with_value("NaN"), "invalid_json", None),
    "Infinity": (with_value("-Infinity"), "invalid_json", None),
    "a row one value short": (rows(GOOD_ROW, GOOD_ROW[1:]), "wrong_columns", "instances[2]"),
    "a row one value long": (rows([*GOOD_ROW, 1.0]), "wrong_columns", "instances[1]"),
    "an empty row": (rows([]), "wrong_columns", "instances[1]"),
    "a row that is a number": (rows(1.0), "wrong_type", "instances[1]"),
    "no rows": ({"instances": []}, "empty", "instances"),
    "too many rows": ({"instances": [GOOD_ROW] * 121}, "too_many_rows", "instances"),
    "instances is no array": ({"instances": "rows"}, "wrong_type", "instances"),
    "no instances": ({}, "missing_field", "instances"),
    "another field": ({"instances": [GOOD_ROW], "version": 1}, "unknown_field", None),
    "an array for an object": ([GOOD_ROW], "wrong_type", None),
    "not JSON": (b"instances=1", "invalid_json", None),
    "nothing": (b"", "invalid_json", None),
    "cut off": (b'{"instances": [[1, 2', "invalid_json", None),
    "two documents": (b'{"instances": [[1]]} {}', "invalid_json", None),
    "not UTF-8": (b'{"\xff": 1}', "invalid_json", None),
    "nested without end": (b'{"instances": ' + b"[" * 60_000, "wrong_type", "instances[0][0]"),
}


@pytest.mark.parametrize(("body", "code", "field"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_bad_body_is_answered_with_400_and_the_field_at_fault(
    served: Container, body: Any, code: str, field: str | None
) -> None:
    answer = served.predict(body)
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert error["message"]
    assert answer.headers["x-model-version"] == "1.0.0"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "text/csv"}, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=latin-1"}, "unsupported_media_type"),
        ({"Content-Type": ""}, "unsupported_media_type"),
        ({"Content-Encoding": "gzip"}, "unsupported_encoding"),
    ],
)
def test_another_type_or_encoding_is_answered_with_415(served: Container, headers: dict[str, str], code: str) -> None:
    answer = served.predict(rows(), headers)
    assert (answer.status, answer.json["error"]["code"]) == (415, code)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
def test_a_declared_charset_of_utf_8_is_accepted(served: Container, content_type: str) -> None:
    assert served.predict(rows(), {"Content-Type": content_type}).status == 200


def test_a_body_declared_too_large_is_refused_and_the_client_gets_to_read_why(served: Container) -> None:
    answer = served.predict(LARGE)
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
    assert answer.headers["connection"] == "close"


def test_a_body_that_grows_too_large_on_the_way_is_refused(served: Container) -> None:
    connection = served.connect()
    chunks = (LARGE[start : start + 65536] for start in range(0, len(LARGE), 65536))
    connection.request(
        "POST", "/predict", body=chunks, headers={"Content-Type": "application/json"}, encode_chunked=True
    )
    assert read(connection).status == 413


def test_a_chunked_body_within_the_limit_is_answered(served: Container) -> None:
    body = json.dumps(rows()).encode()
    connection = served.connect()
    connection.request(
        "POST", "/predict", body=iter([body[:9], body[9:]]), headers={"Content-Type": "application/json"}
    )
    assert read(connection).status == 200


def test_a_body_that_never_ends_is_cut_off_with_408(served: Container) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_an_unknown_path_is_answered_with_404(served: Container) -> None:
    answer = served.call("GET", "/admin")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/predict", "POST"), ("POST", "/health", "GET, HEAD"), ("DELETE", "/metrics", "GET, HEAD")],
)
def test_another_method_is_answered_with_405_and_those_allowed(
    served: Container, method: str, path: str, allowed: str
) -> None:
    answer = served.call(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


def test_a_valid_request_id_comes_back(served: Container) -> None:
    assert served.predict(rows(), {"X-Request-ID": "order-17:a.b_c"}).headers["x-request-id"] == "order-17:a.b_c"


@pytest.mark.parametrize("given", ["", "two words", "-leading", "x" * 129, "<script>"])
def test_another_request_id_is_replaced(served: Container, given: str) -> None:
    made = served.predict(rows(), {"X-Request-ID": given}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_requests_on_one_connection_are_answered_in_turn_after_an_error(served: Container) -> None:
    connection = served.connect()
    for body, status in [(b"?", 400), (json.dumps(rows()).encode(), 200), (b"", 400)]:
        connection.request("POST", "/predict", body=body, headers={"Content-Type": "application/json"})
        assert read(connection).status == status


@pytest.mark.parametrize("probes", [False, True])
def test_health_is_positive_on_both_ports_once_a_version_is_loaded(served: Container, probes: bool) -> None:
    answer = served.call("GET", "/health", probes=probes)
    assert (answer.status, answer.json) == (200, {"status": "ready", "model_version": "1.0.0"})
    assert served.call("HEAD", "/health", probes=probes).body == b""


def test_the_probes_port_takes_no_predictions(served: Container) -> None:
    assert served.call("POST", "/predict", b"{}", probes=True).status == 404
