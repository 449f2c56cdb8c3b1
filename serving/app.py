"""The routes: predictions on the service's port, health and metrics on that and on the probes' port."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from contract import service
from serving.asgi import (
    CLOSE,
    MODEL_VERSION_HEADER,
    REQUEST_ID_HEADER,
    Disconnected,
    Receive,
    Refused,
    Request,
    Response,
    Scope,
    Send,
    error_response,
    read_body,
    require_json,
    respond,
)
from serving.metrics import CONTENT_TYPE, FAILED, INVALID, OK, Metrics
from serving.model import InferenceFailed
from serving.predictor import Predictor
from serving.settings import Settings
from serving.wire import InvalidRequest, error_body

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]
Routes = Mapping[str, Mapping[str, Endpoint]]
"""Path → method → endpoint. HEAD is answered as GET without the body."""

NO_ROUTE = "other"
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
# What nginx writes for a client that left before its answer; it is only counted, there is nobody to send it to.
CLIENT_CLOSED_REQUEST = 499


@dataclass
class Status:
    """Whether this container should get requests."""

    current: Callable[[], Predictor | None]
    draining: bool = False

    @property
    def word(self) -> str:
        if self.draining:
            return "draining"
        return "starting" if self.current() is None else "ready"


class Application:
    """An ASGI application over a table of routes: answers, counts and logs each request, and lets no error out."""

    def __init__(
        self, routes: Routes, status: Status, metrics: Metrics | None = None, *, log_level: int = logging.INFO
    ) -> None:
        self._routes = routes
        self._status = status
        self._metrics = metrics
        self._log_level = log_level

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive)
        route = request.path if request.path in self._routes else NO_ROUTE
        linger, code = False, ""
        try:
            response = await self._endpoint(request)(request)
        except Refused as error:
            response, linger, code = error_response(error), error.linger, error.code
        except InvalidRequest as error:
            body = error_body(error.code, error.message, error.field)
            response, code = Response(HTTPStatus.BAD_REQUEST, body, []), error.code
        except Disconnected:
            response = None
        except Exception:
            code = "internal"
            logger.exception("%s %s failed", request.method, route, extra=_identity(request))
            body = error_body(code, "the server could not answer; give the request id when you report it")
            response = Response(HTTPStatus.INTERNAL_SERVER_ERROR, body, [])
        if response is not None:
            response.headers.extend(self._headers(request))
            await respond(send, response, read_past=receive if linger else None)
        self._record(request, route, CLIENT_CLOSED_REQUEST if response is None else response.status, code, started)

    def _endpoint(self, request: Request) -> Endpoint:
        methods = self._routes.get(request.path)
        if methods is None:
            raise Refused(HTTPStatus.NOT_FOUND, "not_found", f"there is no such path: try {', '.join(self._routes)}")
        endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            allowed = ", ".join([*methods, "HEAD"] if "GET" in methods else methods)
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "method_not_allowed",
                f"this path takes {allowed}",
                headers=[(b"allow", allowed.encode())],
            )
        return endpoint

    def _headers(self, request: Request) -> list[tuple[bytes, bytes]]:
        headers = [(REQUEST_ID_HEADER, request.request_id.encode())]
        if request.model_version is not None:
            headers.append((MODEL_VERSION_HEADER, request.model_version.encode()))
        if self._status.draining:
            # So that clients which keep connections open move to another pod before this one's listener closes.
            headers.append(CLOSE)
        return headers

    def _record(self, request: Request, route: str, status: int, code: str, started: float) -> None:
        seconds = time.perf_counter() - started
        method = request.method if request.method in _METHODS else "other"
        if self._metrics is not None:
            self._metrics.request(method, route, status, seconds)
        if logger.isEnabledFor(self._log_level):
            extra = {**_identity(request), "duration_ms": round(seconds * 1000, 3)}
            logger.log(self._log_level, " ".join(filter(None, (method, route, str(status), code))), extra=extra)


class Predict:
    """`POST /predict`: rows of numbers in, predictions of the version that is served now out."""

    def __init__(self, status: Status, metrics: Metrics, settings: Settings) -> None:
        self._status = status
        self._metrics = metrics
        self._max_body_bytes = settings.max_body_bytes
        self._timeout_seconds = settings.request_timeout_seconds
        self._retry_after = str(settings.refresh_seconds).encode()

    async def __call__(self, request: Request) -> Response:
        require_json(request)
        body = await read_body(request, max_bytes=self._max_body_bytes, timeout_seconds=self._timeout_seconds)
        predictor = self._status.current()
        if predictor is None:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no_model",
                "no model version is loaded yet",
                headers=[(b"retry-after", self._retry_after)],
            )
        request.model_version = predictor.version
        return Response(HTTPStatus.OK, self._answer(predictor, body), [])

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


def service_routes(status: Status, metrics: Metrics, settings: Settings) -> Routes:
    """What clients and the load balancer reach."""
    return {service.PREDICT_PATH: {"POST": Predict(status, metrics, settings)}, **probe_routes(status, metrics)}


def probe_routes(status: Status, metrics: Metrics) -> Routes:
    """What kubelet and Prometheus reach, on a port whose queue no client can fill."""

    async def health(request: Request) -> Response:
        predictor = status.current()
        request.model_version = predictor.version if predictor else None
        body = msgspec.json.encode({"status": status.word, "model_version": request.model_version})
        ready = status.word == "ready"
        return Response(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body, [])

    async def page(_: Request) -> Response:
        return Response(HTTPStatus.OK, metrics.page(), [], CONTENT_TYPE)

    return {service.HEALTH_PATH: {"GET": health}, service.METRICS_PATH: {"GET": page}}


def _identity(request: Request) -> dict[str, str | None]:
    return {
        "request_id": request.request_id,
        "trace_id": request.trace_id,
        "model_version": request.model_version,
    }
