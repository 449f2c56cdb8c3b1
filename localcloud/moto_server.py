"""A moto server in a process of its own: an AWS account in memory, on a port of the loopback interface."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from localcloud import process

HOST = "127.0.0.1"
READY_SECONDS = 30.0
STOP_SECONDS = 5.0

SETTINGS = {
    # The program attaches AWS-managed policies, which moto knows only when asked.
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    # Nothing here starts an instance, and the image list is megabytes for every region.
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_ACM_VALIDATION_WAIT": "0",
}


class ServerFailed(RuntimeError):
    """The server did not come up; the message says what it printed last."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class MotoServer:
    """`with MotoServer() as server:` starts a server and stops it; `server.endpoint` is its URL.

    A port is chosen unless one is given. Only the child process started here is ever ended.
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> MotoServer:
        """Start the process and return once it answers; ServerFailed after READY_SECONDS or if it ends."""
        looked_at = f"{self.endpoint}/moto-api/data.json"
        if process.answers(looked_at):
            raise ServerFailed(f"something answers on {self.endpoint} already: choose another port, or stop it")
        command = [sys.executable, "-m", __spec__.name, str(self.port)]
        self._process = process.start(
            command,
            folder=Path(__file__).resolve().parents[1],
            variables={**os.environ, **SETTINGS},
            # Open for as long as this process lives; the child ends at its end, on systems that tie no child too.
            stdin=subprocess.PIPE,
        )
        try:
            process.wait_until_answers(looked_at, self._process, seconds=READY_SECONDS)
        except process.Ended as ended:
            raise ServerFailed(
                f"the moto server on port {self.port} {ended}: "
                f"run `python {' '.join(command[1:])}` to see why, and check that moto[server] is installed"
            ) from None
        except process.NotReady:
            self.stop()
            raise ServerFailed(
                f"the moto server on port {self.port} did not answer within {READY_SECONDS:.0f} s"
            ) from None
        return self

    def reset(self) -> None:
        """Forget every resource in every region."""
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
        with urllib.request.urlopen(request, timeout=READY_SECONDS) as answer:
            answer.read()

    def stop(self) -> None:
        """End the child: politely, then by force. Without one, nothing happens."""
        child, self._process = self._process, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        process.end(child, seconds=STOP_SECONDS)

    def __enter__(self) -> MotoServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_OBJECTS_BETWEEN_COLLECTIONS = 200_000

# Slow to load, and asked for first by nearly every run: EC2 reads the instance types, IAM the managed policies.
_SLOW_SERVICES = ("ec2", "iam", "s3", "kms", "dynamodb")


def serve(port: int) -> None:
    """The child's whole life: answer on `port` until terminated, or until the process that started it is gone."""
    from moto.server import main

    _leave_bucket_policies_unenforced()
    _answer_tables_one_request_at_a_time()
    # Every few hundred new objects the collector would walk over moto's hundred thousand that stay.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    for task in (_end_with_parent, _load_slow_services):
        threading.Thread(target=task, daemon=True).start()
    main(["-H", HOST, "-p", str(port)])


def _leave_bucket_policies_unenforced() -> None:
    """Store bucket policies without judging requests by them.

    moto reads a statement without its conditions (`moto.iam.access_control`), so a bucket that refuses plain HTTP, old
    TLS or another key would refuse everything.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    def neutral(self: FakeBucket, action: str, resource: str) -> PermissionResult:
        return PermissionResult.NEUTRAL

    FakeBucket.get_permission = neutral


def _answer_tables_one_request_at_a_time() -> None:
    """Make each request to DynamoDB happen as a whole, before or after every other, as the real one's do.

    moto answers in threads without a lock: two conditional writes may both find their condition met, and a transaction
    that fails puts back a copy of the whole table, without what others wrote meanwhile.
    """
    from moto.dynamodb.responses import DynamoHandler

    one_at_a_time = threading.Lock()
    answer = DynamoHandler.call_action

    def call_action(self: DynamoHandler) -> Any:
        with one_at_a_time:
            return answer(self)

    DynamoHandler.call_action = call_action


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        sys.stdin.buffer.read()
    os._exit(0)


def _load_slow_services() -> None:
    """Load while the program that will ask still loads itself."""
    from moto.backends import get_backend

    for service in _SLOW_SERVICES:
        get_backend(service)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
