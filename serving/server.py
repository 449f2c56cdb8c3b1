"""Runs the container: two listeners on one event loop, the catalogue's thread, and a stop that loses no request.

On SIGTERM readiness turns negative at once while requests are still answered; after the drain the listener closes,
what is in flight is finished, and only then do the probes fall silent. A second signal skips what is left of the drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Generator

import uvicorn

from serving import store
from serving.app import Application, Status, probe_routes, service_routes
from serving.catalogue import Catalogue
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.settings import Settings
from serving.store import Files, Store

BACKLOG = 2048
SIGNALS = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger(__name__)


class Listener(uvicorn.Server):
    """uvicorn on one socket, stopped by us alone: its own signal handling would close the socket without a drain."""

    def __init__(self, application: Application, settings: Settings) -> None:
        config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=settings.keep_alive_seconds,
            timeout_graceful_shutdown=settings.request_timeout_seconds,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def run(settings: Settings) -> None:
    """Serve until a signal; return when the last request in flight is answered."""
    metrics = Metrics()
    catalogue = _catalogue(settings, metrics)
    status = Status(lambda: catalogue.current)
    service = Listener(Application(service_routes(status, metrics, settings), status, metrics), settings)
    # Probes come every few seconds for as long as the pod lives: not worth a line, nor a count among the requests.
    probes = Listener(Application(probe_routes(status, metrics), status, log_level=logging.DEBUG), settings)
    told_to_stop = _signals()

    service_socket, probe_socket = (
        _listen(settings.host, settings.http_port),
        _listen(settings.host, settings.probe_port),
    )
    ports = service_socket.getsockname()[1], probe_socket.getsockname()[1]
    logger.warning("listening on port %d, probes on port %d", *ports)
    stop_following = threading.Event()
    threading.Thread(
        target=catalogue.follow,
        args=(stop_following,),
        kwargs={"every_seconds": settings.refresh_seconds},
        name="catalogue",
        daemon=True,
    ).start()

    # If a listener fails, the group cancels the wait for a signal and the process ends.
    async with asyncio.TaskGroup() as listeners:
        serving = listeners.create_task(service.serve([service_socket]))
        listeners.create_task(probes.serve([probe_socket]))
        await told_to_stop.get()
        status.draining = True
        logger.warning("draining for %d s", settings.drain_seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told_to_stop.get(), settings.drain_seconds)
        stop_following.set()
        service.should_exit = True
        await serving
        probes.should_exit = True
    logger.warning("stopped")


def _catalogue(settings: Settings, metrics: Metrics) -> Catalogue:
    def open_version(files: Files) -> Predictor:
        return Predictor.load(
            files.metadata, files.model, threads=settings.inference_threads, max_rows=settings.max_rows
        )

    versions = Store(store.client(), settings.models_bucket, settings.model_name, settings.cache_dir)
    return Catalogue(versions, open_version, metrics, pinned=settings.model_version)


def _signals() -> asyncio.Queue[int]:
    received: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, received.put_nowait, number)
    return received


def _listen(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    # Connections queue from here on, so the log line that names the ports is true when it is written.
    bound.listen(BACKLOG)
    return bound
