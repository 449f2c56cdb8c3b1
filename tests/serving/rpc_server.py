"""The gRPC listener on a loop of its own beside the test, over versions that answer what they were sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import uvloop

from serving.access.admission import Admission
from serving.access.entrance import Entrance
from serving.answering import Answering
from serving.catalogue import Entry
from serving.engine.limits import Limits
from serving.loaded import LoadedVersion
from serving.messages import Request
from serving.oip.repository import Control
from serving.rpc import open_inference_pb2 as pb
from serving.rpc.opening import open_rpc
from serving.rpc.protocol import SERVICE
from serving.rpc.server import RpcServer
from serving.tracing.span import Span
from tests.serving.oip_versions import MAX_ROWS, Counted, Loaded, metadata_of, raw, spec

PATIENCE_SECONDS = 20
LIMITS = Limits(max_body_bytes=65_536, body_timeout_seconds=5, answer_timeout_seconds=5, keep_alive_seconds=60)

T = TypeVar("T")
Answer = tuple[Any, Mapping[str, str]]


class Bucket(Loaded):
    """A repository with the versions that are loaded and one that can be."""

    def __init__(self, *versions: LoadedVersion) -> None:
        super().__init__(*versions)
        self.published: list[LoadedVersion] = []

    def index(self) -> list[Entry]:
        listed = {id(version): version for version in [*self.versions, *self.published]}.values()
        current = self.versions[0].version if self.versions else None
        return [
            Entry(name=v.name, version=v.version, loaded=v in self.versions, current=v.version == current, reason="")
            for v in listed
        ]

    def load(self, name: str, version: str) -> bool:
        found = [v for v in self.published if (v.name, v.version) == (name, version)]
        self.versions += found
        return bool(found)

    def unload(self, name: str, version: str) -> bool:
        found = [v for v in self.published if (v.name, v.version) == (name, version)]
        self.versions = [v for v in self.versions if v not in found]
        return bool(found)


class RpcServing:
    """Serves within a `with` block; `call` asks it as a client would."""

    def __init__(
        self,
        *versions: LoadedVersion,
        admission: Admission | None = None,
        limits: Limits = LIMITS,
        trace: Callable[[Mapping[bytes, bytes]], Span | None] | None = None,
        drain_seconds: float = 0,
        **changed_limits: Any,
    ) -> None:
        self.models = Bucket(*versions)
        self.counted = Counted()
        self.ready = True
        self.shared = False
        self.observed: list[tuple[Request, str, int, str]] = []
        self._observed = threading.Condition()
        self._admission = admission
        self._trace = trace
        self._drain_seconds = drain_seconds
        self._limits = replace(limits, **changed_limits)
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server, self.port = self.on_loop(self.open())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        return self

    async def open(self, port: int = 0) -> tuple[RpcServer, int]:
        """A further listener on the loop, over the same models."""
        entrance = Entrance(self._admission, lambda _: 0.0, max_wait_seconds=1.0)
        self.control = Control(self.models, entrance, patience_seconds=0.2)
        return await open_rpc(
            Answering(self.models, entrance, self.counted),
            self.control,
            self._limits,
            self._observe,
            self._trace,
            server_version="0.1.0",
            max_rows=MAX_ROWS,
            ready=lambda: self.ready,
            host="127.0.0.1",
            port=port,
            shared=self.shared,
            drain_seconds=self._drain_seconds,
        )

    def _observe(self, request: Request, route: str, status: int, code: str, seconds: float) -> None:
        assert seconds >= 0
        with self._observed:
            self.observed.append((request, route, status, code))
            self._observed.notify_all()

    def last_observed(self, count: int = 1) -> tuple[Request, str, int, str]:
        """The last of so many calls that were observed, once they all are."""
        with self._observed:
            assert self._observed.wait_for(lambda: len(self.observed) >= count, PATIENCE_SECONDS)
            return self.observed[count - 1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.channel.close()
        self.stop(0)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self.loop.close()

    def stop(self, grace_seconds: float) -> None:
        self.on_loop(self._server.stop(grace_seconds))

    def on_loop(self, life: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(life, self.loop).result(PATIENCE_SECONDS)

    def call(self, method: str, message: Any = None, metadata: Sequence[tuple[str, str]] = ()) -> Answer:
        """The answer and the metadata after it; raise RpcError."""
        message = message if message is not None else getattr(pb, f"{method}Request")()
        answer, done = self.stub(method).with_call(message, metadata=metadata, timeout=PATIENCE_SECONDS)
        return answer, dict(done.trailing_metadata())

    def stub(self, method: str) -> Any:
        made: Any = self.channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=_serialized,
            response_deserializer=getattr(pb, f"{method}Response").FromString,
        )
        return made

    def stream(self, messages: Iterable[Any], metadata: Sequence[tuple[str, str]] = ()) -> Any:
        """The answers to a stream of messages, as they come."""
        made: Any = self.channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer",
            request_serializer=_serialized,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        return made(iter(messages), metadata=metadata, timeout=PATIENCE_SECONDS)

    def refusal(self, method: str, message: Any = None, metadata: Sequence[tuple[str, str]] = ()) -> Any:
        """The error of a call that is refused: its status, its words and the metadata after it."""
        try:
            self.call(method, message, metadata)
        except grpc.RpcError as error:
            refused: Any = error
            return refused.code(), refused.details(), dict(refused.trailing_metadata())
        raise AssertionError(f"{method} was answered")


def _serialized(message: Any) -> bytes:
    """Bytes go as they are."""
    return message if isinstance(message, bytes) else message.SerializeToString()


def infer_request(*inputs: Any, raw: Sequence[bytes] = (), model_name: str = "echo", **fields: Any) -> Any:
    return pb.ModelInferRequest(inputs=inputs, raw_input_contents=raw, model_name=model_name, **fields)


def tensor(name: str, datatype: str, shape: Sequence[int], **contents: Any) -> pb.ModelInferRequest.InferInputTensor:
    typed = pb.InferTensorContents(**contents) if contents else None
    return pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape, contents=typed)


ECHO = metadata_of(spec("x", "FP32", -1, 1))
ROW = tensor("x", "FP32", [1, 1])
ASKED = infer_request(ROW, raw=[raw([7], "FP32")])
"""A row for a version that is described like `ECHO`."""
