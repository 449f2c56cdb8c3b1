"""The routes under `/v2`: health, metadata, inference and the index of what is loaded.

Errors have the protocol's own shape, `{"error": "message"}`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import msgspec

from contract.metadata import ModelMetadata, TensorSpec
from serving.messages import JSON_TYPE, Headers, Refused, Request, Response, Route, Routes
from serving.metrics import FAILED, INVALID, OK
from serving.model import Array, InferenceFailed
from serving.oip import json_codec
from serving.oip.binary import BINARY_TYPE, HEADER_LENGTH_HEADER
from serving.oip.inference import InferenceFormat
from serving.oip.json_codec import encode

logger = logging.getLogger(__name__)

SERVER_NAME = "serveml"
# Triton's word for this runtime, which clients know.
PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ("binary_tensor_data",)
READY = "READY"

# How soon a client may look again while no model is loaded.
RETRY_AFTER_SECONDS = 5


class LoadedVersion(Protocol):
    """One version in memory that answers arrays."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def metadata(self) -> ModelMetadata: ...

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]: ...


class Models(Protocol):
    def find(self, name: str, version: str | None) -> LoadedVersion | None: ...

    def loaded(self) -> Sequence[LoadedVersion]: ...


class PredictionMetrics(Protocol):
    def prediction(self, version: str, outcome: str, seconds: float) -> None: ...

    def model_error(self, error_type: str) -> None: ...


class _IndexRequest(msgspec.Struct, forbid_unknown_fields=True):
    ready: bool = False


_INDEX_REQUEST = msgspec.json.Decoder(_IndexRequest)


def oip_routes(
    models: Models, server_version: str, *, max_rows: int, ready: Callable[[], bool], metrics: PredictionMetrics
) -> Routes:
    """`ready` tells whether this server should get requests: its models are loaded and it is not draining."""
    protocol = _Protocol(models, server_version, max_rows, ready, metrics)
    model = "/v2/models/{name}"
    routes: dict[str, Mapping[str, Route]] = {
        "/v2": {"GET": _answered(protocol.server)},
        "/v2/health/live": {"GET": _answered(protocol.live)},
        "/v2/health/ready": {"GET": _answered(protocol.ready)},
        "/v2/repository/index": {"POST": _answered(protocol.index)},
    }
    for path in (model, model + "/versions/{version}"):
        routes[path] = {"GET": _answered(protocol.model)}
        routes[path + "/ready"] = {"GET": _answered(protocol.model_ready)}
        routes[path + "/infer"] = {"POST": _answered(protocol.infer)}
    return routes


def _answered(route: Route) -> Route:
    """The route with its refusals in the protocol's shape."""

    def answer(request: Request) -> Response:
        try:
            return route(request)
        except Refused as refused:
            return Response(refused.status, json_codec.error_body(refused.message), refused.headers)

    return answer


class _Protocol:
    def __init__(
        self,
        models: Models,
        server_version: str,
        max_rows: int,
        ready: Callable[[], bool],
        metrics: PredictionMetrics,
    ) -> None:
        self._models = models
        self._max_rows = max_rows
        self._ready = ready
        self._metrics = metrics
        self._server = encode({"name": SERVER_NAME, "version": server_version, "extensions": EXTENSIONS})
        self._formats: dict[tuple[str, str], InferenceFormat] = {}

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
                "versions": [loaded.version for loaded in self._models.loaded() if loaded.name == found.name],
                "platform": PLATFORM,
                "inputs": [_described(spec) for spec in found.metadata.inputs],
                "outputs": [_described(spec) for spec in found.metadata.outputs],
            }
        )

    def model_ready(self, request: Request) -> Response:
        return _json({"name": self._find(request).name, "ready": True})

    def index(self, request: Request) -> Response:
        # Only what is loaded is listed, so asking for what is ready alone lists the same.
        try:
            _INDEX_REQUEST.decode(request.body or b"{}")
        except (ValueError, RecursionError):
            raise Refused(
                HTTPStatus.BAD_REQUEST, "invalid_index", 'the body may be empty or {"ready": true or false}'
            ) from None
        return _json(
            [
                {"name": loaded.name, "version": loaded.version, "state": READY, "reason": ""}
                for loaded in self._models.loaded()
            ]
        )

    def infer(self, request: Request) -> Response:
        _require_known_type(request)
        found = self._find(request)
        started = time.perf_counter()
        outcome = FAILED
        try:
            inference_format = self._format(found)
            inference = inference_format.read(request.body, request.headers.get(HEADER_LENGTH_HEADER))
            answer = inference_format.write(inference, found.predict(inference.inputs))
            outcome = OK
        except Refused:
            outcome = INVALID
            raise
        except InferenceFailed as error:
            self._metrics.model_error("inference")
            # Without the cause: it may quote values.
            logger.error("%s", error, extra={"request_id": request.request_id, "model_version": found.version})
            raise Refused(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "inference_failed",
                "the model could not answer; give the request id when you report it",
            ) from None
        finally:
            self._metrics.prediction(found.version, outcome, time.perf_counter() - started)
        if answer.header_length is None:
            return Response(HTTPStatus.OK, answer.body, [])
        headers: Headers = [(HEADER_LENGTH_HEADER, b"%d" % answer.header_length)]
        return Response(HTTPStatus.OK, answer.body, headers, BINARY_TYPE)

    def _find(self, request: Request) -> LoadedVersion:
        parameters = request.parameters
        found = self._models.find(parameters["name"], parameters.get("version"))
        if found is not None:
            request.model_version = found.version
            return found
        if not self._models.loaded():
            retry_after = (b"retry-after", b"%d" % RETRY_AFTER_SECONDS)
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "no_model", "no model version is loaded yet", headers=[retry_after]
            )
        raise Refused(
            HTTPStatus.NOT_FOUND,
            "unknown_model",
            "no such model or version is loaded: POST /v2/repository/index lists what is",
        )

    def _format(self, found: LoadedVersion) -> InferenceFormat:
        kept = self._formats.get((found.name, found.version))
        # A version may be loaded anew with other metadata.
        if kept is not None and kept.metadata is found.metadata:
            return kept
        loaded = {(version.name, version.version) for version in self._models.loaded()}
        self._formats = {key: value for key, value in self._formats.items() if key in loaded}
        made = self._formats[found.name, found.version] = InferenceFormat(found.metadata, max_rows=self._max_rows)
        return made


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
    if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "send the body without Content-Encoding"
        )


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


def _json(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status, encode(document), [])
