"""The container's first process where it has several workers: starts them, replaces one that dies, stops them all."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import time

import uvloop

from serving.assembly import Shared
from serving.settings import Settings
from serving.worker import JOIN_PATIENCE_SECONDS, SIGNALS, bind, run

logger = logging.getLogger(__name__)

# A worker that ends sooner than this does so at every start: the next one waits.
SHORTEST_LIFE_SECONDS = 1.0
REPLACEMENT_PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.1
"""How often the supervisor looks for ended workers while others still start."""


def serve(settings: Settings) -> int:
    """Run one worker in this process, or supervise several; the exit code."""
    if settings.workers > 1:
        return Supervisor(settings).run()
    service_socket = bind(settings.host, settings.http_port, shared=False)
    probe_socket = bind(settings.host, settings.probe_port, shared=False)
    ports = service_socket.getsockname()[1], probe_socket.getsockname()[1]

    life = run(
        settings,
        Shared.create(settings),
        0,
        service_socket,
        probe_socket,
        grpc_port=settings.grpc_port,
        on_listening=lambda: _announce(*ports),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(life)
    return 0


class Supervisor:
    """Forks the workers. Each has sockets of its own on the same two ports, and the kernel spreads connections."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shared = Shared.create(settings)
        self._workers: dict[int, tuple[int, float]] = {}
        self._stopping = False
        # Held, and never listening: they keep the ports for workers yet to come, and tell which port 0 became.
        self._held = [bind(settings.host, port, shared=True) for port in (settings.http_port, settings.probe_port)]
        self._ports = [held.getsockname()[1] for held in self._held]
        self._grpc_port = settings.grpc_port
        if settings.grpc_port is not None:
            held = bind(settings.host, settings.grpc_port, shared=True)
            self._held.append(held)
            self._grpc_port = held.getsockname()[1]
        # Workers see the end of this pipe when the supervisor is gone, however it went.
        self._life, self._alive = os.pipe()
        self._ready, self._report = os.pipe()

    def run(self) -> int:
        for number in SIGNALS:
            signal.signal(number, self._stop)
        for index in range(self._settings.workers):
            self._start(index)
        self._await_listening()
        while self._workers:
            self._replace_ended(0)
        logger.warning("all workers stopped")
        return 0

    def _await_listening(self) -> None:
        """Say that the ports are open once every worker listens; one that ends before it does is replaced meanwhile."""
        missing = self._settings.workers
        while missing > 0 and self._workers:
            if select.select([self._ready], [], [], LOOK_SECONDS)[0]:
                missing -= len(os.read(self._ready, missing))
            else:
                self._replace_ended(os.WNOHANG)
        if missing <= 0:
            _announce(*self._ports)

    def _stop(self, number: int, _: object) -> None:
        self._stopping = True
        for pid in list(self._workers):
            os.kill(pid, number)

    def _start(self, index: int, patience_seconds: float = JOIN_PATIENCE_SECONDS) -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(self._work(index, patience_seconds))
        self._workers[pid] = (index, time.monotonic())
        if self._stopping:
            # The signal came while this one was made, and went to the others alone.
            os.kill(pid, signal.SIGTERM)

    def _replace_ended(self, options: int) -> None:
        """Start another worker for one that ended; with WNOHANG, only if one has."""
        pid, status = os.waitpid(-1, options)
        if pid == 0:
            return
        index, started = self._workers.pop(pid)
        if self._stopping:
            return
        logger.error("worker %d ended with status %d; starting another", index, os.waitstatus_to_exitcode(status))
        if time.monotonic() - started < SHORTEST_LIFE_SECONDS:
            time.sleep(SHORTEST_LIFE_SECONDS)
        if not self._stopping:
            # The others serve: this one joins them when it can.
            self._start(index, REPLACEMENT_PATIENCE_SECONDS if self._workers else JOIN_PATIENCE_SECONDS)

    def _work(self, index: int, patience_seconds: float) -> int:
        """The child: never returns to the supervisor's code."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._alive)
        host = self._settings.host
        service_socket, probe_socket = (bind(host, port, shared=True) for port in self._ports)
        for held in self._held:
            held.close()

        def report() -> None:
            os.write(self._report, b"1")

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                life = run(
                    self._settings,
                    self._shared,
                    index,
                    service_socket,
                    probe_socket,
                    grpc_port=self._grpc_port,
                    on_listening=report,
                    patience_seconds=patience_seconds,
                    parent_pipe=self._life,
                )
                runner.run(life)
        except BaseException:
            logger.exception("worker %d failed", index)
            return 1
        return 0


def _announce(port: int, probe_port: int) -> None:
    logger.warning("listening on port %d, probes on port %d", port, probe_port)
