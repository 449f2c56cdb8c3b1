"""A serving container's process without a container: the same package, the same variables, on loopback ports."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract import service
from localcloud.moto_server import HOST, free_port
from localcloud.world import LocalWorld

READY_SECONDS = 30.0
_LOOK_SECONDS = 0.05


class PodFailed(RuntimeError):
    """The process did not become ready, or did not end in order; the message holds its last log lines."""


@dataclass(frozen=True)
class Pod:
    """A running, ready server and where it listens."""

    name: str
    url: str
    probe_url: str
    log: Path

    @property
    def metrics_target(self) -> str:
        """As Prometheus names it."""
        return self.probe_url.removeprefix("http://")


@contextmanager
def serving_pod(
    world: LocalWorld, model_name: str, *, name: str = "pod-0", workers: int = 1, refresh_ms: int = 500
) -> Generator[Pod]:
    """Start `python -m serving` on the world's bucket and tables, yield when it is ready, end it by SIGTERM.

    `refresh_ms` is how often it looks at its deployment.
    """
    port, probe_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="serveml-pod-") as folder:
        log = Path(folder) / "log.jsonl"
        variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            **world.environment(),
            service.ENV_ENVIRONMENT: "local",
            service.ENV_LOG_LEVEL: "info",
            service.ENV_MODELS_BUCKET: world.models_bucket,
            service.ENV_MODEL_NAME: model_name,
            service.ENV_DEPLOYMENTS_TABLE: world.deployments_table,
            service.ENV_DEPLOYMENTS_REFRESH_MS: str(refresh_ms),
            service.ENV_POD_NAME: name,
            service.ENV_WORKERS: str(workers),
            service.ENV_HOST: HOST,
            service.ENV_HTTP_PORT: str(port),
            service.ENV_PROBE_PORT: str(probe_port),
            service.ENV_GRPC_PORT: "off",
            service.ENV_AUTHENTICATION: "required",
            service.ENV_KEYS_TABLE: world.keys_table,
            service.ENV_CACHE_DIR: str(Path(folder) / "cache"),
            service.ENV_DRAIN_SECONDS: "0",
            service.ENV_REFRESH_SECONDS: "1",
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "serving"],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            pod = Pod(name, f"http://{HOST}:{port}", f"http://{HOST}:{probe_port}", log)
            _wait_until_ready(pod, process)
            yield pod
        finally:
            _end(process)


def _wait_until_ready(pod: Pod, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _healthy(pod.probe_url):
        if process.poll() is not None:
            raise PodFailed(f"the server ended with status {process.returncode}: {_last_lines(pod.log)}")
        if time.monotonic() > deadline:
            raise PodFailed(f"the server was not ready within {READY_SECONDS:.0f} s: {_last_lines(pod.log)}")
        time.sleep(_LOOK_SECONDS)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + service.HEALTH_PATH, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(service.REQUEST_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_lines(log: Path, count: int = 5) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
