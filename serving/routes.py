"""The routes: predictions on the service's port, health and metrics on that and on the probes' port."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from contract import service
from serving.messages import JSON_TYPE, Refused, Request, Response, Routes
from serving.metrics import CONTENT_TYPE, FAILED, INVALID, OK, Metrics
from serving.model import InferenceFailed
from serving.predictor import Predictor
from serving.settings import Settings
from serving.wire import InvalidRequest

READY = "ready"


@dataclass
class Status:
    """Whether this container should get requests."""

    current: Callable[[], Predictor | None]
    """The version that a request without a model's name means."""
    loaded: Callable[[], bool]
    """Whether every model that was named is there."""
    draining: bool = False

    @property
    def word(self) -> str:
        if self.draining:
            return "draining"
        return READY if self.loaded() else "starting"


class Predict:
    """`POST /predict`: rows of numbers in, predictions of the version that is served now out."""

    def __init__(self, status: Status, metrics: Metrics, settings: Settings) -> None:
        self._status = status
        self._metrics = metrics
        self._retry_after = str(settings.refresh_seconds).encode()

    def __call__(self, request: Request) -> Response:
        require_json(request)
        predictor = self._status.current()
        if predictor is None:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no_model",
                "no model version is loaded yet",
                headers=[(b"retry-after", self._retry_after)],
            )
        request.model_version = predictor.version
        return Response(HTTPStatus.OK, self._answer(predictor, request.body), [])

    def _answer(self, predictor: Predictor, body: bytes) -> bytes:
        started = time.perf_counter()
        outcome = FAILED
        try:
            answer = predictor.answer(body)
            outcome = OK
        except InvalidRequest:
            outcome = INVALID
            raise
        except InferenceFailed:
            self._metrics.model_error("inference")
            raise
        finally:
            self._metrics.prediction(predictor.version, outcome, time.perf_counter() - started)
        return answer


def require_json(request: Request) -> None:
    """Raise Refused unless the body is declared to be plain JSON in UTF-8."""
    declared = request.headers.get(b"content-type", b"")
    if declared != JSON_TYPE:
        media_type, _, parameters = declared.lower().partition(b";")
        charset = parameters.strip().replace(b'"', b"")
        if media_type.strip() != JSON_TYPE or charset not in (b"", b"charset=utf-8"):
            raise Refused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send the header Content-Type: application/json",
            )
    if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "send the body without Content-Encoding"
        )


def service_routes(status: Status, metrics: Metrics, settings: Settings) -> Routes:
    """What clients and the load balancer reach."""
    return {service.PREDICT_PATH: {"POST": Predict(status, metrics, settings)}, **probe_routes(status, metrics)}


def probe_routes(status: Status, metrics: Metrics) -> Routes:
    """What kubelet and Prometheus reach, on a port whose connections no client can take."""

    def health(request: Request) -> Response:
        predictor = status.current()
        request.model_version = predictor.version if predictor else None
        body = msgspec.json.encode({"status": status.word, "model_version": request.model_version})
        ready = status.word == READY
        return Response(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body, [])

    def page(_: Request) -> Response:
        return Response(HTTPStatus.OK, metrics.page(), [], CONTENT_TYPE)

    return {service.HEALTH_PATH: {"GET": health}, service.METRICS_PATH: {"GET": page}}
