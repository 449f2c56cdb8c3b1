"""The server starts on a port of its own, forgets on request, and ends with whoever started it."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from localcloud.account.clients import Clients
from localcloud.moto_server import MotoServer, ServerFailed, free_port
from tests.localcloud.conftest import Account


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def test_server_answers_inside_its_context_and_not_after() -> None:
    with MotoServer(free_port()) as server:
        assert answers(server.endpoint)
    assert not answers(server.endpoint)


def test_port_in_use_is_refused_and_its_server_left_alone(server: MotoServer) -> None:
    with pytest.raises(ServerFailed, match="choose another port"):
        MotoServer(server.port).start()
    assert answers(server.endpoint)


def test_reset_forgets_what_was_made(server: MotoServer, account: Account) -> None:
    s3 = Clients(server.endpoint).at("s3", "us-east-1")
    s3.create_bucket(Bucket="forgotten")
    server.reset()
    assert s3.list_buckets()["Buckets"] == []


def test_server_ends_when_the_process_that_started_it_is_gone() -> None:
    # All that ties the two is a pipe: the system closes it when the starter ends, however it ends.
    command = [sys.executable, "-m", "localcloud.moto_server", str(free_port())]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert child.stdin is not None
    child.stdin.close()
    try:
        assert child.wait(timeout=30) == 0
    finally:
        child.kill()
