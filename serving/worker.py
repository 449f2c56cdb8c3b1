"""One worker's life: two listeners on one event loop, the models' threads, and a stop that loses no request.

On SIGTERM readiness turns negative at once while requests are still answered; after the drain the listener closes,
what is arriving is finished, and only then do the probes fall silent. A second signal skips what is left of the drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable

from serving import VERSION, observation, store
from serving.engine.limits import Limits
from serving.engine.server import Server
from serving.metrics import Metrics
from serving.models import Models
from serving.observation import Observation
from serving.oip.routes import oip_routes
from serving.predictor import Predictor
from serving.routes import READY, Status, probe_routes, service_routes
from serving.settings import Settings
from serving.store import Files

SIGNALS = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger(__name__)


async def run(
    settings: Settings,
    service_socket: socket.socket,
    probe_socket: socket.socket,
    *,
    on_listening: Callable[[], None],
    parent_pipe: int | None = None,
) -> None:
    """Serve until a signal, or until the other end of `parent_pipe` closes; return when all is answered."""
    metrics = Metrics()
    models = _models(settings, metrics)
    status = Status(lambda: models.find(models.default), lambda: models.ready)
    requests = observation.request_log(settings.pod_name)
    limits = Limits(
        max_body_bytes=settings.max_body_bytes,
        body_timeout_seconds=settings.request_timeout_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
    )
    routes = {
        **service_routes(status, metrics, settings),
        **oip_routes(models, VERSION, max_rows=settings.max_rows, ready=lambda: status.word == READY, metrics=metrics),
    }
    service = Server(routes, limits, Observation(metrics, requests))
    probes = Server(probe_routes(status, metrics), limits, observation.ignore)
    told_to_stop = _signals(parent_pipe)
    await service.listen(service_socket)
    await probes.listen(probe_socket)
    on_listening()

    models.start(every_seconds=settings.refresh_seconds)

    await told_to_stop.get()
    status.draining = service.draining = True
    logger.warning("draining for %d s", settings.drain_seconds)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(told_to_stop.get(), settings.drain_seconds)
    models.stop()
    await service.stop(settings.request_timeout_seconds)
    await probes.stop(0)
    if requests is not None:
        requests.flush()
    logger.warning("stopped")


def bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket that does not listen yet; `shared` lets the other workers bind the same port."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if shared else socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


def _models(settings: Settings, metrics: Metrics) -> Models:
    def open_version(files: Files) -> Predictor:
        return Predictor.load(
            files.metadata, files.model, threads=settings.inference_threads, max_rows=settings.max_rows
        )

    return Models.of_bucket(
        store.client(settings.download_threads),
        settings.models_bucket,
        settings.models,
        open_version,
        metrics,
        cache_dir=settings.cache_dir,
        trusted=settings.trusted_keys,
        max_disk_bytes=settings.max_disk_bytes,
        max_memory_bytes=settings.max_memory_bytes,
        threads=settings.download_threads,
    )


def _signals(parent_pipe: int | None) -> asyncio.Queue[int]:
    received: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, received.put_nowait, number)
    if parent_pipe is not None:

        def parent_is_gone() -> None:
            loop.remove_reader(parent_pipe)
            received.put_nowait(signal.SIGTERM)

        loop.add_reader(parent_pipe, parent_is_gone)
    return received
