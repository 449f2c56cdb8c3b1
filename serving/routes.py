"""The service's own routes: predictions on the service's port, health and metrics on that and on the probes' port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from contract import service
from serving.access.entrance import Entrance
from serving.answering import Answering, Formats, Kept, Question
from serving.features.entities import Entities, read_entities
from serving.features.lookup import FeatureLookup
from serving.features.plan import Plan
from serving.loaded import LoadedVersion
from serving.messages import JSON_TYPE, OK, Refused, Request, Response, Route, Routes
from serving.metrics import Metrics
from serving.model import Array
from serving.tracing.span import Kind, child
from serving.wire import RowFormat

READY = "ready"


@dataclass
class Status:
    """Whether this worker should get requests."""

    current: Callable[[], LoadedVersion | None]
    """The version that a request without a model's name means."""
    missing: Callable[[], str]
    """What a worker that starts waits for, or the empty string."""
    draining: bool = False
    started: bool = False

    @property
    def word(self) -> str:
        if self.draining:
            return "draining"
        if self.missing():
            return "starting"
        self.started = True
        return READY


class PredictFormat:
    """`POST /predict` of one version: a JSON body of rows, or of entities whose features are looked up."""

    def __init__(self, predictor: LoadedVersion, lookup: FeatureLookup, max_rows: int) -> None:
        metadata = predictor.metadata
        self._rows = RowFormat(metadata, max_rows=max_rows, entities=metadata.features is not None)
        self._max_rows = max_rows
        self._lookup = lookup
        self._input = metadata.inputs[0].name
        self._plan = metadata.features and lookup.plan(metadata.features, metadata.inputs[0].datatype)

    def read(self, request: Request) -> Question | Awaitable[Question]:
        require_json(request)
        inputs = self._rows.read(request.body)
        if isinstance(inputs, dict):
            return Question(inputs)
        assert self._plan is not None, "a body may name entities only where there is a plan"
        entities = read_entities(inputs.raw, self._plan.features, self._max_rows)
        return self._looked_up(self._plan, entities)

    def write(self, question: Question, outputs: Mapping[str, Array]) -> Response:
        return Response(OK, self._rows.write(outputs), [])

    def flavour(self, request: Request) -> bytes | None:
        require_json(request)
        # What a store holds of an entity changes.
        return None if self._plan is not None else b"predict"

    async def _looked_up(self, plan: Plan, entities: Entities) -> Question:
        with child("features", Kind.CLIENT):
            return Question({self._input: await self._lookup.rows(plan, entities)})


def predict_route(answering: Answering, lookup: FeatureLookup, kept: Kept[Response] | None, max_rows: int) -> Route:
    formats = Formats(answering.models, lambda predictor: PredictFormat(predictor, lookup, max_rows), kept)

    def predict(request: Request) -> Response | Awaitable[Response]:
        return answering.answer(request, formats)

    return predict


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
    require_identity(request)


def require_identity(request: Request) -> None:
    """Raise Refused for a compressed body: its size would not be known before it is unpacked."""
    encoding = request.headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "send the body without Content-Encoding"
        )


def service_routes(predict: Route, entrance: Entrance, status: Status, metrics: Metrics) -> Routes:
    """What clients and the load balancer reach; the metrics are the operators' here."""
    page = metrics_route(metrics)

    def guarded(request: Request) -> Response:
        entrance.admit_operator(request)
        return page(request)

    return {
        service.PREDICT_PATH: {"POST": predict},
        **health_routes(status),
        service.METRICS_PATH: {"GET": guarded},
    }


def probe_routes(status: Status, metrics: Metrics) -> Routes:
    """What kubelet and Prometheus reach, on a port whose connections no client can take."""
    return {**health_routes(status), service.METRICS_PATH: {"GET": metrics_route(metrics)}}


def health_routes(status: Status) -> Routes:
    """Live: the loop turns. Ready: requests may be sent. Startup: it has once been ready."""

    def answer(request: Request, good: bool, word: str) -> Response:
        predictor = status.current()
        request.model_version = predictor.version if predictor else None
        body = msgspec.json.encode({"status": word, "model_version": request.model_version})
        return Response(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, body, [])

    def ready(request: Request) -> Response:
        word = status.word
        return answer(request, word == READY, word)

    def live(request: Request) -> Response:
        return answer(request, True, status.word)

    def startup(request: Request) -> Response:
        word = status.word
        return answer(request, status.started, word)

    return {
        service.HEALTH_PATH: {"GET": ready},
        service.READY_PATH: {"GET": ready},
        service.LIVE_PATH: {"GET": live},
        service.STARTUP_PATH: {"GET": startup},
    }


def metrics_route(metrics: Metrics) -> Callable[[Request], Response]:
    def page(request: Request) -> Response:
        body, content_type = metrics.page(request.headers.get(b"accept", b""))
        return Response(HTTPStatus.OK, body, [], content_type)

    return page
