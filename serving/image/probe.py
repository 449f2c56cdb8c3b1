"""`python -m serving.image.probe`: the health check of engines that run a command for it, as Docker does.

Exits 0 while the container is ready to answer. Kubernetes asks the probe port itself.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from http import HTTPStatus

from contract import service

TIMEOUT_SECONDS = 4.0
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def healthy(environ: Mapping[str, str]) -> bool:
    """Whether the health path on the probe port answers 200."""
    host = environ.get(service.ENV_HOST, "0.0.0.0")
    port = int(environ.get(service.ENV_PROBE_PORT, service.PROBE_PORT))
    request = f"GET {service.HEALTH_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    # An HTTP client is not imported for one status line: the command runs anew at every check.
    try:
        with socket.create_connection((EVERY_ADDRESS.get(host, host), port), TIMEOUT_SECONDS) as connection:
            connection.sendall(request.encode())
            with connection.makefile("rb") as answer:
                return answer.readline().split()[1:2] == [str(HTTPStatus.OK.value).encode()]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy(os.environ) else 1)
