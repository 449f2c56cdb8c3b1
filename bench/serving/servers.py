"""The servers that can be measured: how each is started, asked and read."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.serving.environments import ROOT, lock_of, prepare
from bench.serving.workload import (
    JSON_HEADERS,
    Dialect,
    instances,
    open_inference,
    read_kserve,
    read_open_inference,
    read_ours,
    read_plain,
)
from contract import service
from localcloud.moto_server import HOST, free_port

FLOOR, PLAIN, OURS = "floor", "fastapi", "ours"
WORKERS = 2
_PYTHON = sys.executable
_MODEL = "diagnosis"


class UnknownServer(ValueError):
    """A name that is none of the servers; the message lists them."""


@dataclass(frozen=True)
class Start:
    """What a server finds when it starts: its port, the model's file, and an empty folder of its own."""

    port: int
    model: Path
    folder: Path


@dataclass(frozen=True)
class Server:
    name: str
    dialect: Dialect
    command: Callable[[Start], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=lambda: dict(JSON_HEADERS))
    locked_as: str | None = None
    """Its locked requirements; None for what runs in this project's environment."""
    of: Callable[[Start], Mapping[str, str]] = lambda _: {}
    """Variables that depend on the port and the folder."""

    @property
    def is_peer(self) -> bool:
        """A model server: what one writes with FastAPI in an afternoon is compared with on its own."""
        return self.name not in (FLOOR, PLAIN, OURS)

    @property
    def version(self) -> str | None:
        """The pinned version of what the server is named for."""
        if self.locked_as is None:
            return None
        pinned = re.search(rf"^{self.locked_as}==(\S+)", lock_of(self.locked_as).read_text(), re.MULTILINE)
        return pinned[1] if pinned else None

    def at(self, variables: Mapping[str, str], headers: Mapping[str, str]) -> Server:
        """This server with more in its environment and its requests; what it has already stays."""
        return replace(self, environment={**variables, **self.environment}, headers={**headers, **self.headers})

    def variables(self, start: Start) -> dict[str, str]:
        """The environment of the process, beside what any process needs."""
        return {
            "BENCH_MODEL": str(start.model),
            "BENCH_PORT": str(start.port),
            "BENCH_WORKERS": str(WORKERS),
            # Peers are imported from here, whatever folder their launcher runs in.
            "PYTHONPATH": str(ROOT),
            "HOME": str(start.folder),
            "ORT_DISABLE_TELEMETRY": "1",
            **self.of(start),
            **self.environment,
        }


def ours(environment: Mapping[str, str], headers: Mapping[str, str]) -> Server:
    """`python -m serving`, its variables and headers as given beside what the measurement decides."""
    return Server(
        OURS,
        Dialect("/predict", instances, read_ours),
        lambda _: [_PYTHON, "-m", "serving"],
        environment,
        {**JSON_HEADERS, **headers},
        of=lambda start: {
            service.ENV_HOST: HOST,
            service.ENV_HTTP_PORT: str(start.port),
            service.ENV_PROBE_PORT: str(free_port()),
            service.ENV_GRPC_PORT: str(free_port()),
            service.ENV_CACHE_DIR: str(start.folder / "cache"),
            service.ENV_DRAIN_SECONDS: "0",
            service.ENV_WORKERS: str(WORKERS),
        },
    )


def others() -> list[Server]:
    """The floor, plain FastAPI and the peers, each with as many workers as it makes good use of on two cores."""
    predict = Dialect("/predict", instances, read_plain)
    return [
        Server(FLOOR, predict, lambda _: [_PYTHON, "-m", "bench.peers.floor"]),
        Server(PLAIN, predict, _fastapi, locked_as=PLAIN),
        Server("litserve", predict, _module("litserve", "bench.peers.litserve_server"), locked_as="litserve"),
        Server("bentoml", predict, _bentoml, {"BENTOML_DO_NOT_TRACK": "True"}, locked_as="bentoml"),
        Server(
            "kserve",
            Dialect(f"/v1/models/{_MODEL}:predict", instances, read_kserve),
            _module("kserve", "bench.peers.kserve_server"),
            locked_as="kserve",
        ),
        Server(
            "mlserver",
            Dialect(f"/v2/models/{_MODEL}/infer", open_inference, read_open_inference),
            _mlserver,
            locked_as="mlserver",
        ),
    ]


def choose(names: Sequence[str], available: Sequence[Server]) -> list[Server]:
    """The named servers, or all without a name; raise UnknownServer."""
    by_name = {server.name: server for server in available}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise UnknownServer(f"there is no server {', '.join(unknown)}: choose of {', '.join(by_name)}")
    return [server for server in available if not names or server.name in names]


def _module(name: str, module: str) -> Callable[[Start], Sequence[str]]:
    return lambda _: [str(prepare(name) / "python"), "-m", module]


def _fastapi(start: Start) -> list[str]:
    python, app = str(prepare(PLAIN) / "python"), "bench.peers.fastapi_app:app"
    return [python, "-m", "uvicorn", "--host", HOST, "--port", str(start.port), "--workers", str(WORKERS), app]


def _bentoml(start: Start) -> list[str]:
    program, service = str(prepare("bentoml") / "bentoml"), "bench.peers.bentoml_service:Diagnosis"
    return [program, "serve", "--quiet", "--host", HOST, "--port", str(start.port), service]


def _mlserver(start: Start) -> list[str]:
    settings = {
        "host": HOST,
        "http_port": start.port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        # Its pool of workers halves the figures of a model this small: it costs more than the inference it spreads.
        "parallel_workers": 0,
        "debug": False,
    }
    model = {"name": _MODEL, "implementation": "bench.peers.mlserver_runtime.Diagnosis"}
    (start.folder / "settings.json").write_text(json.dumps(settings))
    (start.folder / "model-settings.json").write_text(json.dumps(model))
    return [str(prepare("mlserver") / "mlserver"), "start", str(start.folder)]
