"""The gRPC listener of one worker, on its event loop: limits, calls, streams, health, reflection and the drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

import grpc
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from serving.engine.limits import Limits
from serving.engine.server import Observer
from serving.rpc import open_inference_pb2 as pb
from serving.rpc.calls import Call, Caller, Outcome, Trace
from serving.rpc.health import Health
from serving.rpc.protocol import SERVICE, STREAM_INFER, Protocol, Unary

# Named by github.com/grpc/grpc, include/grpc/impl/channel_arg_names.h.
MAX_STREAMS_PER_CONNECTION = 100
MIN_PING_SECONDS = 10
"""How often a client may ping; one that does so more often is told to go away."""
PING_AFTER_SECONDS = 60
PING_TIMEOUT_SECONDS = 20
"""After so long without a byte a client is pinged, and taken for gone if it does not answer within this."""
AGE_OF_DRAIN = 0.75
"""How old a connection gets, as a part of the drain: the library adds up to a tenth at random."""
IDENTITY_ALONE = 1
"""A set of bits, one for each compression: how large a message gets would only show when it is unpacked."""

Context = aio.ServicerContext[bytes, bytes]


class RpcServer:
    """Serves until `stop`. `shared` lets the other workers' servers listen on the same port.

    The library's own stop cancels calls that have arrived and that it has not handed over yet, which a busy connection
    nearly always has. So connections are closed, between calls, within `drain_seconds`: a client opens its
    next one to whoever is ready. What is left at the stop came from clients that were sent here all the same.
    """

    def __init__(
        self,
        protocol: Protocol,
        limits: Limits,
        observe: Observer,
        trace: Trace | None = None,
        *,
        shared: bool,
        drain_seconds: float,
    ) -> None:
        self._protocol = protocol
        self._caller = Caller(observe, trace, answer_timeout_seconds=limits.answer_timeout_seconds)
        self._stopping = asyncio.Event()
        # As many calls at once as connections: over HTTP, each has one request.
        self._server = aio.server(
            options=_options(limits, shared, drain_seconds), maximum_concurrent_rpcs=limits.max_connections
        )
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            name: grpc.unary_unary_rpc_method_handler(cast(Any, self._unary(f"/{SERVICE}/{name}", method)))
            for name, method in protocol.unary.items()
        }
        methods[STREAM_INFER.rpartition("/")[2]] = grpc.stream_stream_rpc_method_handler(cast(Any, self._stream))
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        health_service = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        health = Health((SERVICE,), protocol.is_ready, self._stopping)
        cast(Any, health_pb2_grpc).add_HealthServicer_to_server(health, self._server)
        services = (SERVICE, health_service, reflection.SERVICE_NAME)
        cast(Any, reflection).enable_server_reflection(services, self._server)

    async def listen(self, host: str, port: int) -> int:
        """Start to accept; the port, which is a free one where 0 is given. Raise OSError."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = self._server.add_insecure_port(address)
        except RuntimeError:
            raise OSError(f"gRPC cannot have port {port}: another process listens there") from None
        await self._server.start()
        return bound

    async def stop(self, grace_seconds: float) -> None:
        """Take no more calls, end streams between two messages, and give calls in flight so long to be answered."""
        self._stopping.set()
        await self._server.stop(grace_seconds)

    def _unary(self, route: str, method: Unary) -> Callable[[bytes, Context], Coroutine[Any, Any, bytes]]:
        async def handle(data: bytes, context: Context) -> bytes:
            call: Call[Any] = Call(route, _metadata(context))
            outcome = await self._caller.run(call, data, method.takes, method.act)
            _finish(context, outcome)
            return b"" if outcome.answer is None else outcome.answer.SerializeToString()

        return handle

    async def _stream(self, _: object, context: Context) -> AsyncIterator[bytes]:
        metadata = _metadata(context)
        while (data := await self._next(context)) is not None:
            call: Call[pb.ModelInferRequest] = Call(STREAM_INFER, metadata)
            outcome = await self._caller.run(call, data, pb.ModelInferRequest, self._protocol.infer)
            if outcome.code in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED):
                # Its credentials are the stream's: no later message will fare better.
                _finish(context, outcome)
                return
            yield pb.ModelStreamInferResponse(
                error_message=outcome.message, infer_response=outcome.answer
            ).SerializeToString()

    async def _next(self, context: Context) -> bytes | None:
        """The next message; None at the end of the stream, or once the server stops."""
        read = asyncio.ensure_future(context.read())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((read, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not read.done():
                return None
            data = read.result()
            return None if data is cast(Any, aio).EOF else data
        finally:
            read.cancel()
            stopping.cancel()


def _metadata(context: Context) -> aio.Metadata:
    return context.invocation_metadata() or aio.Metadata()


def _finish(context: Context, outcome: Outcome[Any]) -> None:
    """Set the status that the call ends with, and the metadata after it."""
    context.set_trailing_metadata(tuple(outcome.trailers))
    if outcome.refused is not None:
        context.set_code(outcome.code)
        context.set_details(outcome.message)


def _options(limits: Limits, shared: bool, drain_seconds: float) -> list[tuple[str, int]]:
    options = [
        ("grpc.so_reuseport", int(shared)),
        ("grpc.max_receive_message_length", limits.max_body_bytes),
        # The library refuses above the first, and below it at random from the second on.
        ("grpc.absolute_max_metadata_size", limits.max_head_bytes),
        ("grpc.max_metadata_size", limits.max_head_bytes),
        ("grpc.compression_enabled_algorithms_bitset", IDENTITY_ALONE),
        ("grpc.max_concurrent_streams", MAX_STREAMS_PER_CONNECTION),
        ("grpc.max_allowed_incoming_connections", limits.max_connections),
        ("grpc.server_handshake_timeout_ms", int(limits.head_timeout_seconds * 1000)),
        ("grpc.max_connection_idle_ms", int(limits.keep_alive_seconds * 1000)),
        ("grpc.keepalive_time_ms", PING_AFTER_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_SECONDS * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_SECONDS * 1000),
    ]
    if drain_seconds > 0:
        options.append(("grpc.max_connection_age_ms", int(drain_seconds * AGE_OF_DRAIN * 1000)))
    return options
