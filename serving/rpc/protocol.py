"""The service's calls: health, metadata, inference, and the repository."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contract.metadata import TensorSpec
from serving.answering import Answering, Formats
from serving.loaded import LoadedVersion
from serving.messages import Request
from serving.oip.repository import Control
from serving.oip.routes import EXTENSIONS, PLATFORM, SERVER_NAME
from serving.rpc import open_inference_pb2 as pb
from serving.rpc.calls import Act, Call
from serving.rpc.inference import RpcFormat

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
INFER, STREAM_INFER = f"/{SERVICE}/ModelInfer", f"/{SERVICE}/ModelStreamInfer"

TensorMetadata = pb.ModelMetadataResponse.TensorMetadata


@dataclass(frozen=True, kw_only=True)
class Unary:
    """A call of one message for one message."""

    takes: type[Any]
    act: Act[Any, Any]


class Protocol:
    """The calls over the models; `ready` says whether calls may be sent here."""

    def __init__(
        self, answering: Answering, control: Control, server_version: str, *, max_rows: int, ready: Callable[[], bool]
    ) -> None:
        self._answering = answering
        self._control = control
        self._server_version = server_version
        self.is_ready = ready
        self._formats = Formats(answering.models, lambda predictor: RpcFormat(predictor, max_rows))

    @property
    def unary(self) -> Mapping[str, Unary]:
        """By the name of the call."""
        return {
            "ServerLive": Unary(takes=pb.ServerLiveRequest, act=lambda _: pb.ServerLiveResponse(live=True)),
            "ServerReady": Unary(
                takes=pb.ServerReadyRequest, act=lambda _: pb.ServerReadyResponse(ready=self.is_ready())
            ),
            "ServerMetadata": Unary(takes=pb.ServerMetadataRequest, act=self.server),
            "ModelReady": Unary(takes=pb.ModelReadyRequest, act=self.model_ready),
            "ModelMetadata": Unary(takes=pb.ModelMetadataRequest, act=self.model),
            "ModelInfer": Unary(takes=pb.ModelInferRequest, act=self.infer),
            "RepositoryIndex": Unary(takes=pb.RepositoryIndexRequest, act=self.index),
            "RepositoryModelLoad": Unary(takes=pb.RepositoryModelLoadRequest, act=self.load),
            "RepositoryModelUnload": Unary(takes=pb.RepositoryModelUnloadRequest, act=self.unload),
        }

    def infer(self, call: Call[pb.ModelInferRequest]) -> pb.ModelInferResponse | Awaitable[pb.ModelInferResponse]:
        message = call.message
        return self._answering.answer(call, self._formats, message.model_name or None, message.model_version or None)

    def server(self, _: Call[pb.ServerMetadataRequest]) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(name=SERVER_NAME, version=self._server_version, extensions=EXTENSIONS)

    def model_ready(self, call: Call[pb.ModelReadyRequest]) -> pb.ModelReadyResponse:
        self._answering.entrance.identify(call)
        # The answer to whether a model is ready that is not there is no, and no error.
        name = call.message.name or self._answering.models.default
        found = self._answering.models.find(name, call.message.version or None)
        return pb.ModelReadyResponse(ready=found is not None)

    def model(self, call: Call[pb.ModelMetadataRequest]) -> pb.ModelMetadataResponse:
        found = self._find(call, call.message.name, call.message.version)
        return pb.ModelMetadataResponse(
            name=found.name,
            versions=[other.version for other in self._answering.models.loaded() if other.name == found.name],
            platform=PLATFORM,
            inputs=map(_described, found.metadata.inputs),
            outputs=map(_described, found.metadata.outputs),
        )

    def index(self, call: Call[pb.RepositoryIndexRequest]) -> pb.RepositoryIndexResponse:
        self._control.entrance.identify(call)
        entries = self._control.index(ready=call.message.ready)
        return pb.RepositoryIndexResponse(
            models=[
                pb.RepositoryIndexResponse.ModelIndex(
                    name=entry.name, version=entry.version, state=entry.state, reason=entry.reason
                )
                for entry in entries
            ]
        )

    async def load(self, call: Call[pb.RepositoryModelLoadRequest]) -> pb.RepositoryModelLoadResponse:
        self._control.entrance.admit_operator(call)
        await self._control.load(call.message.model_name, _version(call.message))
        return pb.RepositoryModelLoadResponse()

    async def unload(self, call: Call[pb.RepositoryModelUnloadRequest]) -> pb.RepositoryModelUnloadResponse:
        self._control.entrance.admit_operator(call)
        await self._control.unload(call.message.model_name, _version(call.message))
        return pb.RepositoryModelUnloadResponse()

    def _find(self, call: Request, name: str, version: str) -> LoadedVersion:
        self._answering.entrance.identify(call)
        return self._answering.find(call, name or self._answering.models.default, version or None)


def _version(message: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest) -> str | None:
    """What the parameter `version` says; looking up one that is not there would add it."""
    return message.parameters["version"].string_param if "version" in message.parameters else None


def _described(spec: TensorSpec) -> TensorMetadata:
    return TensorMetadata(name=spec.name, datatype=spec.datatype, shape=spec.shape)
