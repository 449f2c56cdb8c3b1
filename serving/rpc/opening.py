"""Loads gRPC and starts its listener: what a worker calls once it answers over HTTP, so that it answers no later."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from serving.answering import Answering
from serving.engine.limits import Limits
from serving.oip.repository import Control

if TYPE_CHECKING:
    from serving.engine.server import Observer
    from serving.rpc.calls import Trace
    from serving.rpc.server import RpcServer

# gRPC's C library writes lines of its own to the error output, which are no JSON and may hold a client's address.
_ENV_VERBOSITY = "GRPC_VERBOSITY"


async def open_rpc(
    answering: Answering,
    control: Control,
    limits: Limits,
    observe: Observer,
    trace: Trace | None,
    *,
    server_version: str,
    max_rows: int,
    ready: Callable[[], bool],
    host: str,
    port: int,
    shared: bool,
    drain_seconds: float,
) -> tuple[RpcServer, int]:
    """The server that listens, and on which port: `port`, or a free one for 0. Raise OSError where it cannot.

    Within `drain_seconds` clients are moved off their connections; with 0 they keep them until the stop.

    With `shared`, servers in other processes listen on the same port; 0 is not for them, since each would get another.
    """
    await load()
    from serving.rpc.protocol import Protocol
    from serving.rpc.server import RpcServer

    protocol = Protocol(answering, control, server_version, max_rows=max_rows, ready=ready)
    server = RpcServer(protocol, limits, observe, trace, shared=shared, drain_seconds=drain_seconds)
    return server, await server.listen(host, port)


async def load() -> None:
    """Import gRPC in a thread: from a cold disk it takes a third of a second, and requests are answered meanwhile."""
    os.environ.setdefault(_ENV_VERBOSITY, "NONE")
    await asyncio.to_thread(importlib.import_module, "serving.rpc.server")
