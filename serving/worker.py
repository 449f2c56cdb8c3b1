"""One worker's life: two listeners on one event loop, the models' threads, and a stop that loses no request.

A worker takes connections once it can answer, or has waited long enough to say why it can't. On SIGTERM readiness
turns negative at once while requests are still answered; after the drain the listener closes, what is arriving is
finished, and only then do the probes fall silent. A second signal skips what is left of the drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable

from serving.assembly import Parts, Shared
from serving.routes import READY, Status
from serving.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
JOIN_PATIENCE_SECONDS = 1.0
"""How long a worker waits for its models before it takes connections all the same, to say what it lacks."""
LOOK_SECONDS = 0.005
COLLECT_AFTER_OBJECTS = 20_000

logger = logging.getLogger(__name__)


async def run(
    settings: Settings,
    shared: Shared,
    worker: int,
    service_socket: socket.socket,
    probe_socket: socket.socket,
    *,
    grpc_port: int | None,
    on_listening: Callable[[], None],
    patience_seconds: float = JOIN_PATIENCE_SECONDS,
    parent_pipe: int | None = None,
) -> None:
    """Serve until a signal, or until the other end of `parent_pipe` closes; return when all is answered."""
    told_to_stop = _signals(parent_pipe)
    parts = Parts(settings, shared, worker, service_socket.getsockname()[1])
    parts.start()
    await _until_ready(parts.status, told_to_stop, patience_seconds)
    if grpc_port is not None:
        parts.await_rpc()
    await parts.probes.listen(probe_socket)
    await parts.service.listen(service_socket)
    on_listening()
    _settle_memory()
    if grpc_port is not None:
        bound = await parts.open_rpc(grpc_port, shared=settings.workers > 1)
        logger.warning("gRPC on port %d", bound)

    await told_to_stop.get()
    parts.drain()
    logger.warning("draining for %d s", settings.drain_seconds)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(told_to_stop.get(), settings.drain_seconds)
    parts.stop_following()
    await parts.stop_serving()
    await parts.close()
    logger.warning("stopped")


def _settle_memory() -> None:
    """Let the collector of cycles pass over all that a worker starts with, some 200,000 objects, from now on.

    It would go through them again and again while requests come and go; and what those leave behind is no cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)


async def _until_ready(status: Status, told_to_stop: asyncio.Queue[int], patience_seconds: float) -> None:
    """Wait before the first connection: while another worker has the models, it should get requests and probes."""
    deadline = asyncio.get_running_loop().time() + patience_seconds
    while status.word != READY and told_to_stop.empty() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(LOOK_SECONDS)


def bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket that does not listen yet; `shared` lets the other workers bind the same port."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    # Connections of an earlier container on this port may still linger.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


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
