"""A real Prometheus on loopback that scrapes pods of this machine, for as long as a block of code runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from contract import service
from localcloud.moto_server import HOST, free_port

READY_SECONDS = 30.0
_LOOK_SECONDS = 0.05


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
def prometheus(targets: Sequence[str], *, every_seconds: float = 1.0) -> Generator[str]:
    """Scrape `host:port` of each target every so often; yields the address to query.

    Raises PrometheusAbsent or PrometheusFailed. What it scraped is gone afterwards.
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
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    binary,
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address={HOST}:{port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            address = f"http://{HOST}:{port}"
            _wait_until_ready(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(READY_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


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


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _ready(address):
        if process.poll() is not None or time.monotonic() > deadline:
            said = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise PrometheusFailed(f"Prometheus was not ready within {READY_SECONDS:.0f} s: {said}")
        time.sleep(_LOOK_SECONDS)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
