"""Callers of the pods: so many requests a second, by both interfaces, some of them with mistakes of their own."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from contract import service
from localcloud.pod import Pod
from ops.demo_model import INPUT, DemoModel

_THREADS = 6
_USERS = 5_000
_PROTOCOL_SHARE = 0.25
_TIMEOUT_SECONDS = 10
_IDLE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What callers do together, until they are told otherwise."""

    per_second: float
    invalid: float = 0.0
    """Share of requests whose rows are too short."""
    unauthorised: float = 0.0
    """Share of requests with a key that nobody was given."""


class Callers:
    """`mix` and `pods` may be changed at any time."""

    failed = 0
    """Requests that were answered with 500 or more, or not at all."""

    def __init__(self, pods: Sequence[Pod], key: str, model: DemoModel, mix: Mix) -> None:
        self.mix = mix
        self.pods = list(pods)
        self._key = key
        self._model = model
        self._stop = threading.Event()

    def run(self, seed: int) -> None:
        """Ask until told to stop: each request is due at its time, and a late one is not made up for."""
        draw = random.Random(seed)
        connections: dict[str, http.client.HTTPConnection] = {}
        due = time.monotonic()
        while not self._stop.is_set():
            if not self.mix.per_second:
                self._stop.wait(_IDLE_SECONDS)
                continue
            due = max(due + draw.expovariate(self.mix.per_second / _THREADS), time.monotonic())
            self._stop.wait(due - time.monotonic())
            pod = draw.choice(self.pods)
            address = urlsplit(pod.url)
            connection = connections.setdefault(
                pod.name, http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
            )
            try:
                connection.request("POST", *self._request(draw))
                answer = connection.getresponse()
                answer.read()
                self.failed += answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
            except (OSError, http.client.HTTPException):
                connection.close()
                self.failed += 1
        for connection in connections.values():
            connection.close()

    def stop(self) -> None:
        self._stop.set()

    def _request(self, draw: random.Random) -> tuple[str, str, dict[str, str]]:
        """Path, body, headers."""
        row = draw.choice(self._model.holdout_rows)
        if draw.random() < self.mix.invalid:
            row = row[:-1]
        key = "sml_nobody" if draw.random() < self.mix.unauthorised else self._key
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {key}",
            service.USER_HEADER: f"user-{draw.randrange(_USERS)}",
        }
        if draw.random() >= _PROTOCOL_SHARE:
            return service.PREDICT_PATH, json.dumps({"instances": [row]}), headers
        tensor = {"name": INPUT, "shape": [1, len(row)], "datatype": "FP32", "data": row}
        return f"/v2/models/{self._model.metadata.name}/infer", json.dumps({"inputs": [tensor]}), headers


@contextmanager
def calling(pods: Sequence[Pod], key: str, model: DemoModel, mix: Mix) -> Generator[Callers]:
    """Callers for as long as the block runs."""
    callers = Callers(pods, key, model, mix)
    threads = [threading.Thread(target=callers.run, args=(seed,), daemon=True) for seed in range(_THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        callers.stop()
        for thread in threads:
            thread.join(_TIMEOUT_SECONDS)
