"""Answers the kubelet and Prometheus: whether the loop goes round, whether it sees canaries, and its figures."""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from contract.service import HEALTH_PATH, METRICS_PATH, READY_PATH
from ops.canary.tally import PAGE_TYPE, Tally

CALL_SECONDS = 5.0
"""After which a caller who says nothing is let go."""

_TEXT = "text/plain; charset=utf-8"


class PortTaken(ValueError):
    """The address cannot be listened on; the message says which and why."""


class ProbeServer:
    """`with ProbeServer(host, port, tally) as server:`; port 0 takes a free one, `server.port`."""

    def __init__(self, host: str, port: int, tally: Tally) -> None:
        """Raise PortTaken."""

        class Handler(BaseHTTPRequestHandler):
            timeout = CALL_SECONDS

            def do_GET(self) -> None:
                status, kind, body = _answer(self.path, tally)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any, **__: Any) -> None:
                """Probes come every few seconds and say nothing."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else "there is no such port"
            raise PortTaken(f"{host}:{port} cannot be listened on ({why}): give another --host or --port") from None
        # One that hangs does not keep the process from ending.
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="probes", daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def __enter__(self) -> ProbeServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _answer(path: str, tally: Tally) -> tuple[HTTPStatus, str, bytes]:
    match path.partition("?")[0]:
        case p if p == HEALTH_PATH:
            return _verdict(tally.turns(), b"the loop has not come round for too long\n")
        case p if p == READY_PATH:
            return _verdict(tally.sees(), b"the table has not told for too long which canaries there are\n")
        case p if p == METRICS_PATH:
            return HTTPStatus.OK, PAGE_TYPE, tally.page()
        case _:
            return HTTPStatus.NOT_FOUND, _TEXT, b"there is nothing here\n"


def _verdict(well: bool, otherwise: bytes) -> tuple[HTTPStatus, str, bytes]:
    return (HTTPStatus.OK, _TEXT, b"ok\n") if well else (HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, otherwise)
