"""Recorded series add up over pods, are 0 where nothing failed, and absent where nothing was asked."""

from __future__ import annotations

from pathlib import Path

from tests.observability.promtool import needs_promtool, samples_are

REQUESTS = 'http_requests_total{${%s},route="/predict",method="POST",status="%s"}'
PREDICTIONS = 'model_predictions_total{${a},model="churn",model_version="%s",outcome="%s"}'


@needs_promtool
def test_a_share_is_of_all_requests_and_no_average_of_shares(tmp_path: Path) -> None:
    series = {REQUESTS % ("a", 200): "0+590x20", REQUESTS % ("b", 500): "0+10x20"}
    expected = {
        "slo:bad_requests:ratio5m": ['{slo="availability"} 0.0167'],
        "pod:http_requests_failed:ratio5m": ['{pod="a"} 0', '{pod="b"} 1'],
        "route_status:http_requests:rate5m": [
            '{route="/predict",status="200"} 9.8333',
            '{route="/predict",status="500"} 0.1667',
        ],
    }
    samples_are(tmp_path, series, "15m", expected)


@needs_promtool
def test_where_nothing_failed_the_share_is_nought(tmp_path: Path) -> None:
    series = {REQUESTS % ("a", 200): "0+60x20", PREDICTIONS % ("1.0.0", "ok"): "0+60x20"}
    expected = {
        "slo:bad_requests:ratio5m": ['{slo="availability"} 0'],
        "pod:http_requests_failed:ratio5m": ['{pod="a"} 0'],
        "model_version:model_predictions_failed:ratio5m": ['{model="churn",model_version="1.0.0"} 0'],
    }
    samples_are(tmp_path, series, "15m", expected)


@needs_promtool
def test_where_nothing_was_asked_there_is_no_share(tmp_path: Path) -> None:
    series = {
        REQUESTS % ("a", 200): "7+0x20",
        REQUESTS % ("a", 500): "3+0x20",
        PREDICTIONS % ("1.0.0", "failed"): "3+0x20",
    }
    absent = (
        "slo:bad_requests:ratio5m",
        "slo:bad_requests:ratio1h",
        "pod:http_requests_failed:ratio5m",
        "model_version:model_predictions_failed:ratio5m",
        "model_version:model_predictions:share5m",
    )
    samples_are(tmp_path, series, "15m", {query: [] for query in absent})


@needs_promtool
def test_versions_share_the_traffic_of_their_model(tmp_path: Path) -> None:
    series = {PREDICTIONS % ("1.0.0", "ok"): "0+90x20", PREDICTIONS % ("1.1.0", "ok"): "0+10x20"}
    name = "model_version:model_predictions:share5m"
    expected = [f'{{model="churn",model_version="1.{minor}.0"}} {part}' for minor, part in ((0, 0.9), (1, 0.1))]
    samples_are(tmp_path, series, "15m", {name: expected})


@needs_promtool
def test_half_of_the_allowed_failures_leave_half_of_the_budget(tmp_path: Path) -> None:
    series = {REQUESTS % ("a", 200): "0+9995x60", REQUESTS % ("a", 503): "0+5x60"}
    samples_are(tmp_path, series, "50m", {"slo:error_budget_left:ratio": ['{slo="availability"} 0.5']})
