"""A real Prometheus on loopback that scrapes pods of this machine, for as long as a block of code runs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from contract import service
from localcloud.moto_server import HOST, free_port
from localcloud.process import NotReady, end, last_lines, start, wait_until_answers

READY_SECONDS = 30.0
STOP_SECONDS = 30.0

ABSENT = (
    "no `prometheus` was found on the path: install it (Debian: apt-get install prometheus, or "
    "https://prometheus.io/download/)"
)


class PrometheusAbsent(RuntimeError):
    """There is no Prometheus on this machine; the message says where to get one."""


class PrometheusFailed(RuntimeError):
    """It did not become ready; the message holds the end of its log."""


def is_there() -> bool:
    return shutil.which("prometheus") is not None


@contextmanager
def prometheus(targets: Sequence[str], *, every_seconds: float = 1.0, features: Sequence[str] = ()) -> Generator[str]:
    """Scrape `host:port` of each target every so often; yields the address to query.

    `features` are names for its `--enable-feature`. Raises PrometheusAbsent or PrometheusFailed. What it scraped is
    gone afterwards.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise PrometheusAbsent(ABSENT)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="serveml-prometheus-") as folder:
        configuration = Path(folder) / "prometheus.json"
        # JSON is YAML.
        configuration.write_text(json.dumps(_configuration(targets, every_seconds)))
        log = Path(folder) / "log"
        process = start(
            [
                binary,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={HOST}:{port}",
                *(f"--enable-feature={feature}" for feature in features),
            ],
            log=log,
        )
        try:
            address = f"http://{HOST}:{port}"
            try:
                wait_until_answers(f"{address}/-/ready", process, seconds=READY_SECONDS)
            except NotReady as failure:
                raise PrometheusFailed(f"Prometheus {failure}: {last_lines(log)}") from None
            yield address
        finally:
            end(process, seconds=STOP_SECONDS)


def _configuration(targets: Sequence[str], every_seconds: float) -> dict[str, object]:
    milliseconds = f"{round(every_seconds * 1000)}ms"
    return {
        "global": {"scrape_interval": milliseconds, "scrape_timeout": milliseconds},
        "scrape_configs": [
            {
                "job_name": service.SERVICE_NAME,
                "metrics_path": service.METRICS_PATH,
                "static_configs": [{"targets": list(targets)}],
            }
        ],
    }
