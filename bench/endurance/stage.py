"""What every part starts from: the model published in an S3 of moto's, and containers that load it."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.serving import launch, servers
from bench.serving.open_loop import http_request
from bench.serving.published import published
from bench.serving.servers import Server, Start
from bench.serving.workload import Oracle, Rows, batches
from contract import service
from contract.objects import Version
from localcloud.moto_server import free_port
from ops import demo_model

BODIES = 16
"""Different requests that a load takes in turn."""
_DIGITS = 6


@dataclass(frozen=True)
class Container:
    """A started process of the container."""

    process: subprocess.Popen[bytes]
    start: Start
    server: Server
    probe_port: int
    began: float

    @property
    def port(self) -> int:
        return self.start.port

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> None:
        """End it and all that it started, unless it has ended: its number may be another's by then."""
        if self.process.poll() is None:
            launch.end(self.process)

    def fault(self) -> str | None:
        """Why it cannot be reckoned with any more, or None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        last = (self.start.folder / launch.LOG).read_text(errors="replace").splitlines()[-3:]
        return f"a container ended with status {code}: {' | '.join(last)[-500:] or 'it wrote nothing'}"


@dataclass(frozen=True)
class Stage:
    """Makes containers that differ in what a part decides about them."""

    folder: Path
    model: Path
    oracle: Oracle
    rows: Rows
    variables: Mapping[str, str]
    """Given by the user."""
    headers: Mapping[str, str]
    place: Mapping[str, str]
    """Where the model is published, and the keys are."""

    def start(
        self, *, workers: int, cache: Path, drain_seconds: int = 0, place: Mapping[str, str] | None = None
    ) -> Container:
        """Start a container, which may take a while to answer; end it with its `end`.

        The user's variables win over the part's figures, not over the ports, the cache and the place that it is given.
        """
        ours = servers.ours(self.variables, self.headers)
        probe_port = free_port()
        environment = {
            service.ENV_WORKERS: str(workers),
            service.ENV_DRAIN_SECONDS: str(drain_seconds),
            **ours.environment,
            **self.place,
            service.ENV_PROBE_PORT: str(probe_port),
            service.ENV_CACHE_DIR: str(cache),
            **(place or {}),
        }
        server = replace(ours, environment=environment)
        start = Start(free_port(), self.model, Path(tempfile.mkdtemp(dir=self.folder)))
        began = time.monotonic()
        return Container(launch.spawn(server, start), start, server, probe_port, began)

    def until_steady(self, container: Container) -> tuple[float, float]:
        """Seconds from the process's start to its first right answer, and to the last of a row; raise Excluded."""
        first, steady = launch.wait_until_steady(
            container.process,
            lambda: launch.check(container.server, container.port, self.oracle, self.rows[:1]),
            container.start.folder / launch.LOG,
        )
        return first - container.began, steady - container.began

    @contextmanager
    def running(self, *, workers: int, drain_seconds: int = 0) -> Generator[Container]:
        """A container of its own cache that answers rightly, until the block ends; raise Excluded."""
        container = self.start(workers=workers, cache=self.new_cache(), drain_seconds=drain_seconds)
        try:
            self.until_steady(container)
            yield container
        finally:
            container.end()

    def new_cache(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="cache-", dir=self.folder))

    def requests(self, rows_per_request: int) -> list[bytes]:
        """The bytes of different requests, their numbers rounded: what travels costs the generator, too."""
        rounded = [[float(f"{value:.{_DIGITS}g}") for value in row] for row in self.rows]
        ours = servers.ours(self.variables, self.headers)
        bodies = (ours.dialect.write(rows) for rows in batches(rounded, rows_per_request, BODIES))
        return [http_request(ours.dialect.path, ours.headers, body) for body in bodies]

    def check(self, container: Container, rows_per_request: int) -> None:
        """Raise Excluded unless the container answers so many rows rightly."""
        rows = batches(self.rows, rows_per_request, 1)[0]
        launch.check(container.server, container.port, self.oracle, rows)


@contextmanager
def staged(variables: Mapping[str, str], headers: Mapping[str, str]) -> Generator[Stage]:
    """Train, publish, and clear all away at the end."""
    model = demo_model.train(Version(1, 0, 0))
    with tempfile.TemporaryDirectory(prefix="serveml-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        path = folder / "model.onnx"
        path.write_bytes(model.onnx)
        with published(model, path) as place:
            presented = {**place.headers, **headers}
            yield Stage(folder, path, Oracle(model), model.holdout_rows, variables, presented, place.variables)
