"""Pods as Prometheus sees them: pages of metrics over loopback HTTP, whose counters a test moves."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

BOUNDS_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0)


@dataclass
class Counted:
    """What one process has counted since its start."""

    predictions: dict[tuple[str, str, str], int] = field(default_factory=dict)
    buckets: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    shadow: dict[tuple[str, str, str], int] = field(default_factory=dict)
    worker_restarts: int = 0
    started_at: float = 1_700_000_000.0

    def predict(self, model: str, version: str, outcome: str, count: int, seconds: float = 0.005) -> None:
        key = (model, version, outcome)
        self.predictions[key] = self.predictions.get(key, 0) + count
        cumulative = self.buckets.setdefault((model, version), [0] * (len(BOUNDS_SECONDS) + 1))
        for place, bound in enumerate((*BOUNDS_SECONDS, float("inf"))):
            if seconds <= bound:
                cumulative[place] += count

    def copy(self, model: str, version: str, outcome: str, count: int) -> None:
        self.shadow[model, version, outcome] = self.shadow.get((model, version, outcome), 0) + count

    def page(self) -> str:
        lines = [
            f"model_predictions_total{_labels(model=model, model_version=version, outcome=outcome)} {count}"
            for (model, version, outcome), count in self.predictions.items()
        ]
        for (model, version), cumulative in self.buckets.items():
            for bound, count in zip((*map(str, BOUNDS_SECONDS), "+Inf"), cumulative, strict=True):
                labels = _labels(model=model, model_version=version, le=bound)
                lines.append(f"model_prediction_duration_seconds_bucket{labels} {count}")
        lines += [
            f"model_shadow_total{_labels(model=model, model_version=version, outcome=outcome)} {count}"
            for (model, version, outcome), count in self.shadow.items()
        ]
        lines.append(f'serveml_worker_restarts_total{{worker="0"}} {self.worker_restarts}')
        lines.append(f"process_start_time_seconds {self.started_at}")
        return "\n".join(lines) + "\n"


class Exporter:
    """`with Exporter() as pod:`; change `pod.counted` under `pod.lock`, or call `restart` for a new process."""

    def __init__(self) -> None:
        self.counted = Counted()
        self.lock = threading.Lock()
        self.away = False
        exporter = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with exporter.lock:
                    body, status = exporter.counted.page().encode(), 503 if exporter.away else 200
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def restart(self) -> None:
        """The container's process is killed and begins anew, a while later."""
        with self.lock:
            self.counted = Counted(started_at=self.counted.started_at + 100)

    def __enter__(self) -> Exporter:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
