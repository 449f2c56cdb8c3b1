"""`python -m ops.image.probe`: the health check of engines that run a command for it, as Docker does.

Exits 0 while the loop goes round. Kubernetes asks the port itself.
"""

from __future__ import annotations

import socket
import sys
from http import HTTPStatus

from contract.service import HEALTH_PATH

HOST = "127.0.0.1"
PORT = 8080
"""The command's own, which the image's default arguments leave as it is."""
TIMEOUT_SECONDS = 4.0


def healthy(port: int = PORT) -> bool:
    """Whether the health path answers 200."""
    request = f"GET {HEALTH_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    # Neither the command nor an HTTP client is imported for one status line: this runs anew at every check.
    try:
        with socket.create_connection((HOST, port), TIMEOUT_SECONDS) as connection:
            connection.sendall(request.encode())
            with connection.makefile("rb") as answer:
                return answer.readline().split()[1:2] == [str(HTTPStatus.OK.value).encode()]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy() else 1)
