"""The routes under `/v2`: health, metadata and inference."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from contract.metadata import TensorSpec
from contract.service import OPEN_INFERENCE_PREFIX
from serving.answering import Answering, Formats, Kept, Question
from serving.loaded import LoadedVersion
from serving.messages import JSON_TYPE, OK, Headers, Refused, Request, Response, Route, Routes
from serving.model import Array
from serving.oip.binary import BINARY_TYPE, HEADER_LENGTH_HEADER
from serving.oip.inference import InferenceFormat
from serving.oip.json_codec import encode
from serving.routes import require_identity

SERVER_NAME = "serveml"
# Triton's word for this runtime, which clients know.
PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ("binary_tensor_data", "model_repository")


def oip_routes(
    answering: Answering,
    server_version: str,
    *,
    max_rows: int,
    ready: Callable[[], bool],
    kept: Kept[Response] | None = None,
) -> Routes:
    """The protocol over the models; `ready` says whether requests may be sent here."""
    protocol = _Protocol(answering, server_version, kept, max_rows, ready)
    model = OPEN_INFERENCE_PREFIX + "/models/{name}"
    routes: dict[str, Mapping[str, Route]] = {
        OPEN_INFERENCE_PREFIX: {"GET": protocol.server},
        OPEN_INFERENCE_PREFIX + "/health/live": {"GET": protocol.live},
        OPEN_INFERENCE_PREFIX + "/health/ready": {"GET": protocol.ready},
    }
    for path in (model, model + "/versions/{version}"):
        routes[path] = {"GET": protocol.model}
        routes[path + "/ready"] = {"GET": protocol.model_ready}
        routes[path + "/infer"] = {"POST": protocol.infer}
    return routes


class RestFormat:
    """The protocol's inference requests to one version, as JSON and binary tensors."""

    def __init__(self, predictor: LoadedVersion, max_rows: int) -> None:
        self._format = InferenceFormat(predictor.metadata, max_rows=max_rows)

    def read(self, request: Request) -> Question:
        _require_known_type(request)
        inference = self._format.read(request.body, request.headers.get(HEADER_LENGTH_HEADER))
        return Question(inference.inputs, inference)

    def write(self, question: Question, outputs: Mapping[str, Array]) -> Response:
        answer = self._format.write(question.context, outputs)
        if answer.header_length is None:
            return Response(OK, answer.body, [])
        headers: Headers = [(HEADER_LENGTH_HEADER, b"%d" % answer.header_length)]
        return Response(OK, answer.body, headers, BINARY_TYPE)

    def flavour(self, request: Request) -> bytes | None:
        _require_known_type(request)
        return b"infer:" + request.headers.get(HEADER_LENGTH_HEADER, b"")


class _Protocol:
    def __init__(
        self,
        answering: Answering,
        server_version: str,
        kept: Kept[Response] | None,
        max_rows: int,
        ready: Callable[[], bool],
    ) -> None:
        self._answering = answering
        self._ready = ready
        self._server = encode({"name": SERVER_NAME, "version": server_version, "extensions": EXTENSIONS})
        self._formats = Formats(answering.models, lambda predictor: RestFormat(predictor, max_rows), kept)

    def server(self, _: Request) -> Response:
        return Response(HTTPStatus.OK, self._server, [])

    def live(self, _: Request) -> Response:
        return _json({"live": True})

    def ready(self, _: Request) -> Response:
        ready = self._ready()
        return _json({"ready": ready}, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    def model(self, request: Request) -> Response:
        found = self._find(request)
        return _json(
            {
                "name": found.name,
                "versions": [other.version for other in self._answering.models.loaded() if other.name == found.name],
                "platform": PLATFORM,
                "inputs": [_described(spec) for spec in found.metadata.inputs],
                "outputs": [_described(spec) for spec in found.metadata.outputs],
            }
        )

    def model_ready(self, request: Request) -> Response:
        return _json({"name": self._find(request).name, "ready": True})

    def infer(self, request: Request) -> Response | Awaitable[Response]:
        parameters = request.parameters
        return self._answering.answer(request, self._formats, parameters["name"], parameters.get("version"))

    def _find(self, request: Request) -> LoadedVersion:
        self._answering.entrance.identify(request)
        return self._answering.find(request, request.parameters["name"], request.parameters.get("version"))


def _require_known_type(request: Request) -> None:
    """Raise Refused for a body declared to be something else; the protocol's clients may declare nothing."""
    given = request.headers.get(b"content-type")
    if given is not None and given != JSON_TYPE:
        media_type = given.partition(b";")[0].strip().lower()
        if media_type not in (JSON_TYPE, BINARY_TYPE):
            raise Refused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send Content-Type: application/json, or application/octet-stream with binary tensors",
            )
    require_identity(request)


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


def _json(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status, encode(document), [])
