"""From a request for a model to its answer, alike for every protocol: admitted, found, read, run and written."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from contract import service
from serving.access.entrance import Entrance
from serving.deployments.routing import Routing
from serving.loaded import LoadedModels, LoadedVersion
from serving.messages import Refused, Request
from serving.metrics import FAILED, INVALID, OK
from serving.model import Array, InferenceFailed
from serving.tracing.span import MODEL_NAME, child

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
"""How soon a client may look again while no model is loaded."""

_USER = service.USER_HEADER.lower().encode()

A_co = TypeVar("A_co", covariant=True)
A = TypeVar("A")


class Question(NamedTuple):
    """What the model is asked, and whatever the protocol needs to word the answer."""

    inputs: Mapping[str, Array]
    context: Any = None


class Format(Protocol[A_co]):
    """One protocol's side of one version; made once for each version."""

    def read(self, request: Request) -> Question | Awaitable[Question]:
        """Raise Refused for what the version does not take; an awaitable where the inputs have to be fetched."""
        ...

    def write(self, question: Question, outputs: Mapping[str, Array]) -> A_co: ...

    def flavour(self, request: Request) -> bytes | None:
        """What shapes the answer besides the body; None where another time the same body may be answered otherwise."""
        ...


class Kept(Protocol[A]):
    """Answers that are given again for the same body."""

    def key(self, model: str, version: str, flavour: bytes, body: bytes) -> bytes: ...

    def answer(self, key: bytes, compute: Callable[[], A | Awaitable[A]]) -> A | Awaitable[A]: ...


class PredictionMetrics(Protocol):
    def prediction(
        self, model: str, version: str, outcome: str, seconds: float, trace_id: str | None = None
    ) -> None: ...

    def model_error(self, error_type: str) -> None: ...


class Fallbacks(Protocol):
    def fallback(self, model: str, version: str) -> None:
        """A version was to answer that is not held."""
        ...


class Copying(Protocol):
    def offer(
        self,
        answered: LoadedVersion,
        shadow: LoadedVersion,
        inputs: Mapping[str, Array],
        outputs: Mapping[str, Array],
    ) -> None:
        """Have a copy of an answered request run; at once, without an error."""
        ...


class Answering:
    """Every protocol's way to the models."""

    def __init__(
        self,
        models: LoadedModels,
        entrance: Entrance,
        metrics: PredictionMetrics,
        fallbacks: Fallbacks | None = None,
        copying: Copying | None = None,
    ) -> None:
        self.models = models
        self.entrance = entrance
        self._metrics = metrics
        self._fallbacks = fallbacks
        self._copying = copying

    def answer(
        self, request: Request, formats: Formats[A], name: str | None = None, version: str | None = None
    ) -> A | Awaitable[A]:
        """Answer with the version of the model, or with the one that is this request's; raise Refused."""
        name = name or self.models.default
        self.entrance.admit(request, name)
        routing = self.models.routings.get(name) if version is None else None
        shadow: LoadedVersion | None = None
        if routing is None:
            predictor = self.find(request, name, version)
        else:
            predictor = self._routed(request, name, routing)
            if routing.shadow is not None and routing.copies():
                shadow = self.models.find(name, routing.shadow)
        format_ = formats.of(predictor)
        if formats.kept is not None and (flavour := format_.flavour(request)) is not None:
            key = formats.kept.key(predictor.name, predictor.version, flavour, request.body)
            return formats.kept.answer(key, lambda: self._compute(request, predictor, format_, shadow))
        return self._compute(request, predictor, format_, shadow)

    def _routed(self, request: Request, name: str, routing: Routing) -> LoadedVersion:
        chosen = routing.choose(request.headers.get(_USER))
        predictor = self.models.find(name, chosen)
        if predictor is not None:
            return _noted(request, predictor)
        # The current version is the stable one only once its catalogue has come to it: by then it may be withdrawn.
        stable = self.models.find(name, routing.stable)
        found = self.find(request, name) if stable is None else _noted(request, stable)
        if self._fallbacks is not None:
            self._fallbacks.fallback(name, chosen)
        return found

    def find(self, request: Request, name: str, version: str | None = None) -> LoadedVersion:
        """The version, noted in the request; raise Refused: 503 before any is loaded, 404 for one that is not."""
        predictor = self.models.find(name, version)
        if predictor is not None:
            return _noted(request, predictor)
        if name in self.models.missing or not self.models.loaded():
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no_model",
                "no model version is loaded yet",
                headers=[(b"retry-after", b"%d" % RETRY_AFTER_SECONDS)],
            )
        raise Refused(
            HTTPStatus.NOT_FOUND,
            "unknown_model",
            "no such model or version is loaded: POST /v2/repository/index lists what is",
        )

    def _compute(
        self, request: Request, predictor: LoadedVersion, format_: Format[A], shadow: LoadedVersion | None
    ) -> A | Awaitable[A]:
        started = time.perf_counter()
        try:
            question = format_.read(request)
            if type(question) is not Question or predictor.queue is not None:
                return self._later(request, predictor, format_, question, shadow, started)
            outputs = predictor.predict(question.inputs)
            answer = format_.write(question, outputs)
        except Exception as error:
            raise self._failed(request, predictor, error, started) from None
        self._count(request, predictor, OK, started)
        if shadow is not None and self._copying is not None:
            self._copying.offer(predictor, shadow, question.inputs, outputs)
        return answer

    async def _later(
        self,
        request: Request,
        predictor: LoadedVersion,
        format_: Format[A],
        question: Question | Awaitable[Question],
        shadow: LoadedVersion | None,
        started: float,
    ) -> A:
        try:
            asked = question if isinstance(question, Question) else await question
            if predictor.queue is None:
                outputs = predictor.predict(asked.inputs)
            else:
                with child("inference"):
                    outputs = await predictor.queue.submit(asked.inputs)
            answer = format_.write(asked, outputs)
        except Exception as error:
            raise self._failed(request, predictor, error, started) from None
        self._count(request, predictor, OK, started)
        if shadow is not None and self._copying is not None:
            self._copying.offer(predictor, shadow, asked.inputs, outputs)
        return answer

    def _count(self, request: Request, predictor: LoadedVersion, outcome: str, started: float) -> None:
        trace_id = None if request.span is None else request.span.trace_id
        self._metrics.prediction(predictor.name, predictor.version, outcome, time.perf_counter() - started, trace_id)

    def _failed(self, request: Request, predictor: LoadedVersion, error: Exception, started: float) -> Exception:
        """Count a prediction that came to nothing; what to raise in the error's place."""
        refused = isinstance(error, Refused)
        outcome = INVALID if refused and error.status < HTTPStatus.INTERNAL_SERVER_ERROR else FAILED
        self._count(request, predictor, outcome, started)
        if not isinstance(error, InferenceFailed):
            return error
        self._metrics.model_error("inference")
        # Without the cause: it may quote values.
        logger.error("%s", error, extra={"request_id": request.request_id, "model_version": predictor.version})
        return Refused(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "inference_failed",
            "the model could not answer; give the request id when you report it",
        )


def _noted(request: Request, predictor: LoadedVersion) -> LoadedVersion:
    request.model_version = predictor.version
    if request.span is not None:
        request.span.set(MODEL_NAME, predictor.name)
    return predictor


class Formats(Generic[A]):
    """The formats of one protocol for the versions in memory."""

    def __init__(
        self, models: LoadedModels, make: Callable[[LoadedVersion], Format[A]], kept: Kept[A] | None = None
    ) -> None:
        self.kept = kept
        self._models = models
        self._make = make
        self._made: dict[LoadedVersion, Format[A]] = {}

    def of(self, predictor: LoadedVersion) -> Format[A]:
        made = self._made.get(predictor)
        if made is None:
            loaded = set(self._models.loaded())
            self._made = {key: value for key, value in self._made.items() if key in loaded}
            made = self._made[predictor] = self._make(predictor)
        return made
