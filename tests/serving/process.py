"""The container as a process on this machine, as a client, a probe and a log reader see it."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 20


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def container_environment(endpoint: str, bucket: str, cache: Path, credentials: Mapping[str, str]) -> dict[str, str]:
    return {
        **credentials,
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": endpoint,
        "SERVEML_MODELS_BUCKET": bucket,
        "SERVEML_MODEL_NAME": "breast-cancer",
        "SERVEML_HOST": "127.0.0.1",
        "SERVEML_HTTP_PORT": "0",
        "SERVEML_PROBE_PORT": "0",
        "SERVEML_GRPC_PORT": "off",
        "SERVEML_CACHE_DIR": str(cache),
        "SERVEML_REFRESH_SECONDS": "1",
        "SERVEML_DRAIN_SECONDS": "0",
        "SERVEML_POD_NAME": "pod-1",
        "SERVEML_AUTHENTICATION": "off",
    }


class Container:
    """`python -m serving` from start to exit, with every line that it wrote."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._new_lines: queue.Queue[str | None] = queue.Queue()
        self._passed: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "serving"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        listening = json.loads(self.wait_for_line("listening on port"))["message"]
        self.port, self.probe_port = (int(port) for port in re.findall(r"port (\d+)", listening))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            self._new_lines.put(line)
        self._new_lines.put(None)

    def wait_for_line(self, text: str) -> str:
        """The first line that holds the text, of those not waited for yet."""
        for line in self._passed:
            if text in line:
                self._passed.remove(line)
                return line
        while True:
            line = self._new_lines.get(timeout=PATIENCE_SECONDS)
            assert line is not None, f"the process ended without writing {text!r}: {''.join(self.lines)}"
            if text in line:
                return line
            self._passed.append(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        code = self._process.wait(PATIENCE_SECONDS)
        self._reader.join()
        return code

    def connect(self, *, probes: bool = False) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.probe_port if probes else self.port, timeout=PATIENCE_SECONDS)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        probes: bool = False,
    ) -> Answer:
        connection = self.connect(probes=probes)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            return read(connection)
        finally:
            connection.close()

    def predict(self, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """POST /predict with JSON, or with bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", "/predict", data, {"Content-Type": "application/json", **(headers or {})})

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self.wait()


def read(connection: HTTPConnection) -> Answer:
    response = connection.getresponse()
    return Answer(response.status, dict(response.getheaders()), response.read())
