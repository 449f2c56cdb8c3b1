"""What a container tells about itself: metrics by their agreed names, and logs that hold nothing a client sent."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import time
from typing import Any

import pytest

from contract.service import PREDICT_PATH
from serving import log
from serving.access.entrance import Entrance
from serving.answering import Answering
from serving.counting import FeatureCounts
from serving.engine.limits import Limits
from serving.engine.server import Server
from serving.errors import error_body
from serving.features.lookup import FeatureLookup
from serving.features.settings import FeatureSettings
from serving.messages import Request, Response, Routes
from serving.metrics import Metrics
from serving.observation import Observation
from serving.routes import Status, predict_route, service_routes
from tests.serving.oip_versions import Echo, Loaded, metadata_of, spec
from tests.serving.process import Container

# Numbers and words that no other part of a log line could hold.
MARKER = 918_273.645_5
MARKER_WORD = "patient-zero"

LIMITS = Limits(max_body_bytes=1024, body_timeout_seconds=5, keep_alive_seconds=5)


def test_no_line_of_the_log_holds_what_a_client_sent(served: Container) -> None:
    row = [MARKER] * 30
    assert served.predict({"instances": [row]}).status == 200
    for bad in ([[*row, MARKER]], [[MARKER_WORD]], [[1e300 * MARKER]], MARKER_WORD):
        assert served.predict({"instances": bad}).status == 400
    assert served.predict({MARKER_WORD: 1}).status == 400
    assert served.predict(f'{{"instances": [["{MARKER_WORD}'.encode()).status == 400
    served.call("GET", f"/{MARKER_WORD}?email={MARKER_WORD}", headers={"X-Request-ID": f"{MARKER_WORD} {MARKER}"})
    with socket.create_connection(("127.0.0.1", served.port)) as broken:
        broken.sendall(f"{MARKER_WORD} {MARKER_WORD}\r\n\r\n".encode())
        assert broken.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"
    assert served.predict({"instances": [row]}, {"X-Request-ID": "the-last"}).status == 200

    served.wait_for_line("the-last")
    for line in served.lines:
        assert MARKER_WORD not in line
        assert "918273" not in line
        assert "918_273" not in line


def test_each_line_has_the_agreed_fields_and_ties_a_request_to_its_trace(served: Container) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-ID": "traced", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    served.predict({"instances": [[1.0] * 30]}, headers)
    line = json.loads(served.wait_for_line('"traced"'))
    assert line.pop("duration_ms") > 0
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info",
        "service": "inference",
        "pod": "pod-1",
        "trace_id": trace,
        "request_id": "traced",
        "message": "POST /predict 200",
        "model_version": "1.0.0",
    }
    fields = {
        "timestamp",
        "level",
        "service",
        "pod",
        "trace_id",
        "request_id",
        "message",
        "duration_ms",
        "model_version",
    }
    assert all(set(entry) == fields for entry in served.log())


def test_metrics_have_the_agreed_names_and_count_what_happened(served: Container) -> None:
    served.predict({"instances": [[1.0] * 30]})
    served.predict({"instances": []})
    served.call("GET", "/nowhere")
    samples = metrics_of(served)
    assert samples['http_requests_total{method="POST",route="/predict",status="200"}'] >= 1
    assert samples['http_request_errors_total{method="POST",route="/predict",status="400"}'] >= 1
    assert samples['http_request_errors_total{method="GET",route="other",status="404"}'] >= 1
    assert samples['model_predictions_total{model="breast-cancer",model_version="1.0.0",outcome="ok"}'] >= 1
    assert samples['model_predictions_total{model="breast-cancer",model_version="1.0.0",outcome="invalid"}'] >= 1
    assert samples['model_version{name="breast-cancer",version="1.0.0"}'] == 1
    assert samples['http_request_duration_seconds_count{method="POST",route="/predict"}'] >= 2
    for bound in ("0.01", "0.05", "0.1", "0.5", "1.0", "+Inf"):
        name = f'model_prediction_duration_seconds_bucket{{le="{bound}",model="breast-cancer",model_version="1.0.0"}}'
        assert samples[name] >= 1
    assert "http_request_errors_total" not in {name for name in samples if 'status="200"' in name}
    assert not [name for name in samples if "_created" in name]


def test_a_scraper_that_asks_for_openmetrics_gets_it(served: Container) -> None:
    page = served.call("GET", "/metrics", headers={"Accept": "application/openmetrics-text"}, probes=True)
    assert page.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert page.body.endswith(b"# EOF\n")


def test_probes_do_not_count_as_requests(served: Container) -> None:
    counted = {name: value for name, value in metrics_of(served).items() if name.startswith("http_requests_total")}
    served.call("GET", "/health", probes=True)
    after = {name: value for name, value in metrics_of(served).items() if name.startswith("http_requests_total")}
    assert after == counted


def metrics_of(container: Container) -> dict[str, float]:
    page = container.call("GET", "/metrics", probes=True)
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line.rpartition(" ") for line in page.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


@pytest.fixture
def log_lines() -> Any:
    """The log as the container would write it, for code that runs in this process."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.JsonLines("pod-1"))
    logger = logging.getLogger("serving")
    logger.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)


def post(routes: Routes, metrics: Metrics, sent: bytes = b"") -> tuple[int, bytes]:
    """Ask for a prediction without a connection; the status and the body of the answer."""

    async def answer() -> bytes:
        server = Server(routes, LIMITS, Observation(metrics, None), error_body)
        headers = {b"x-request-id": b"the-failure", b"content-type": b"application/json"}
        request = Request("POST", PREDICT_PATH, headers, sent)
        answer = server.answer(request)
        assert isinstance(answer, Response)
        return server.encode(request, answer, time.monotonic(), close=False)

    head, _, body = asyncio.run(answer()).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_a_model_that_fails_is_counted_and_answered_with_500() -> None:
    echo = Echo(metadata_of(spec("x", "FP32", -1, 1)))
    echo.broken = True
    metrics = Metrics()
    answering = Answering(Loaded(echo), Entrance(None, lambda _: 0.0, max_wait_seconds=1.0), metrics)
    status = Status(lambda: echo, lambda: "")
    predict = predict_route(
        answering,
        FeatureLookup(
            FeatureSettings(table_name_template="{table_name}", deadline_ms=100, threads=1), FeatureCounts(metrics)
        ),
        None,
        10,
    )
    routes = service_routes(predict, answering.entrance, status, metrics)
    status_code, _ = post(routes, metrics, b'{"instances": [[1.0]]}')
    assert status_code == 500
    assert b'model_errors_total{error_type="inference"} 1.0' in metrics.page()[0]
    assert b'model_predictions_total{model="echo",model_version="1.0.0",outcome="failed"} 1.0' in metrics.page()[0]


def test_a_failure_of_ours_is_answered_with_500_that_leaks_nothing_and_logged_without_its_message(
    log_lines: Any,
) -> None:
    def fail(_: Request) -> Response:
        raise ValueError(f"could not read {MARKER_WORD}")

    metrics = Metrics()
    status_code, body = post({PREDICT_PATH: {"POST": fail}}, metrics)

    assert status_code == 500
    assert json.loads(body)["error"]["code"] == "internal"
    assert b"ValueError" not in body
    [line] = log_lines()
    assert (line["level"], line["request_id"]) == ("error", "the-failure")
    assert line["exception"][0] == "ValueError"
    assert "fail" in line["exception"][-1]
    assert MARKER_WORD not in json.dumps([line, body.decode()])
    assert b'http_request_errors_total{method="POST",route="/predict",status="500"} 1.0' in metrics.page()[0]
