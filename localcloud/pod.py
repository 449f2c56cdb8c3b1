"""A serving container's process without a container: the same package, the same variables, on loopback ports."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract import service
from localcloud.moto_server import HOST, free_port
from localcloud.process import NotReady, end, last_lines, start, wait_until_answers
from localcloud.world import LocalWorld

READY_SECONDS = 30.0


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
        process = start([sys.executable, "-m", "serving"], variables=variables, log=log)
        try:
            pod = Pod(name, f"http://{HOST}:{port}", f"http://{HOST}:{probe_port}", log)
            try:
                wait_until_answers(pod.probe_url + service.HEALTH_PATH, process, seconds=READY_SECONDS)
            except NotReady as failure:
                raise PodFailed(f"the server {failure}: {last_lines(log)}") from None
            yield pod
        finally:
            end(process, seconds=service.REQUEST_TIMEOUT_SECONDS)
