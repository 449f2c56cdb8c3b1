"""Users of the demonstration: they ask pods for predictions without a pause, and remember who answered what."""

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

THREADS = 4
USERS = 5_000
PAUSE_SECONDS = 0.008
"""Between two requests of a thread: some three hundred a second in all, which leaves the machine room to serve."""
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """One request's end; `status` is 0 where no answer came, `version` empty where none was named."""

    at: float
    """Unix seconds."""
    status: int
    version: str

    @property
    def failed(self) -> bool:
        return self.status != http.HTTPStatus.OK


class Traffic:
    """Answers so far, in the order in which they came."""

    def __init__(self, pods: Sequence[Pod], key: str, rows: Sequence[list[float]]) -> None:
        self._pods = pods
        self._rows = rows
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        self._answers: list[Answer] = []
        self._stop = threading.Event()

    def since(self, began: float) -> list[Answer]:
        """Answers from a Unix time on."""
        return [answer for answer in list(self._answers) if answer.at >= began]

    def run(self, seed: int) -> None:
        """Ask one pod until told to stop; which one, goes by the seed."""
        draw = random.Random(seed)
        address = urlsplit(self._pods[seed % len(self._pods)].url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
        while not self._stop.is_set():
            body = json.dumps({"instances": [draw.choice(self._rows)]})
            headers = {**self._headers, service.USER_HEADER: f"user-{draw.randrange(USERS)}"}
            try:
                connection.request("POST", service.PREDICT_PATH, body, headers)
                answer = connection.getresponse()
                answer.read()
                found = Answer(time.time(), answer.status, answer.getheader(service.MODEL_VERSION_HEADER) or "")
            except (OSError, http.client.HTTPException):
                connection.close()
                found = Answer(time.time(), 0, "")
            self._answers.append(found)
            self._stop.wait(PAUSE_SECONDS)
        connection.close()

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def traffic(pods: Sequence[Pod], key: str, rows: Sequence[list[float]]) -> Generator[Traffic]:
    """Users on every pod, for as long as the block runs."""
    asked = Traffic(pods, key, rows)
    threads = [threading.Thread(target=asked.run, args=(seed,), daemon=True) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        asked.stop()
        for thread in threads:
            thread.join(_TIMEOUT_SECONDS)
