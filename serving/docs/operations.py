"""The operations of the service's port that are there whatever is loaded, each with its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from contract import service
from contract.access import OPERATOR
from contract.service import MODEL_VERSION_HEADER, OPEN_INFERENCE_PREFIX
from serving.docs import refusals
from serving.docs.answers import ETAG, HEADER_LENGTH, JSON, RETRY_AFTER, answer, headers_of, media, refused, security
from serving.docs.page import ASSETS, PAGE_TYPE
from serving.docs.parameters import of_path
from serving.docs.refusals import Kind
from serving.docs.schemas import Schema, record, reference
from serving.metrics.registry import OPENMETRICS_TYPE, TEXT_TYPE
from serving.oip.binary import BINARY_TYPE

Paths = dict[str, dict[str, Any]]

BINARY = BINARY_TYPE.decode()
MODEL_PATH = OPEN_INFERENCE_PREFIX + "/models/{name}"
VERSION_PATH = MODEL_PATH + "/versions/{version}"
INFER = "/infer"

_OK, _NOT_NOW = str(HTTPStatus.OK.value), str(HTTPStatus.SERVICE_UNAVAILABLE.value)
_NOT_MODIFIED = str(HTTPStatus.NOT_MODIFIED.value)
_USER = reference("parameters", service.USER_HEADER)
_BINARY_SAYS = (
    "With binary tensors the body is the JSON, as long as the header `Inference-Header-Content-Length` says, and then "
    "the tensors one after the other: little-endian values row by row, an element of BYTES after its length in 4 bytes."
)


class Operations:
    """Makes operations for a service that does or does not ask for credentials."""

    def __init__(self, *, authentication: bool) -> None:
        self._authentication = authentication

    def predict(self, request: Schema, request_examples: Schema, answered: Schema, answer_examples: Schema) -> Schema:
        return self._operation(
            refusals.PREDICT,
            "predict",
            "Predictions of the default model for rows",
            self._good("One prediction for each row.", {JSON: media(answered, answer_examples)}, refusals.PREDICT),
            body={JSON: media(request, request_examples)},
            tag="Predictions",
            parameters=[_USER],
        )

    def infer(
        self, operation_id: str, summary: str, request: Schema, examples: Schema | None = None, *, by_user: bool
    ) -> Schema:
        """`by_user` where the path leaves it open which version answers."""
        good = self._good(
            "The outputs. " + _BINARY_SAYS,
            {JSON: media(reference("schemas", "InferAnswer")), BINARY: {}},
            refusals.INFER,
            if_any=(HEADER_LENGTH,),
        )
        return self._operation(
            refusals.INFER,
            operation_id,
            summary,
            good,
            body={JSON: media(request, examples), BINARY: {}},
            tag="Open Inference Protocol",
            parameters=[*([_USER] if by_user else []), reference("parameters", HEADER_LENGTH)],
            description=_BINARY_SAYS,
        )

    def paths(self) -> Paths:
        """Every path but `/predict`, whose bodies are those of a model."""
        return {
            **self._health(),
            service.METRICS_PATH: {
                "get": self._operation(
                    refusals.OPERATORS,
                    "metrics",
                    "Metrics for Prometheus, as text or as OpenMetrics",
                    self._good(
                        "All metrics of the container.",
                        {kind.partition(b";")[0].decode(): media(_TEXT) for kind in (TEXT_TYPE, OPENMETRICS_TYPE)},
                        refusals.OPERATORS,
                    ),
                    tag="Operation",
                    description=_for_operators(self._authentication),
                )
            },
            **self._documentation(),
            **self._protocol(),
            **self._repository(),
        }

    def _health(self) -> Paths:
        status = {JSON: media(reference("schemas", "Health"))}
        either = media({"anyOf": [reference("schemas", "Health"), reference("schemas", "Error")]})
        paths: Paths = {}
        for path, name, says in (
            (service.HEALTH_PATH, "health", "Whether requests may be sent here"),
            (service.READY_PATH, "ready", "Whether requests may be sent here"),
            (service.LIVE_PATH, "live", "Whether the worker lives"),
            (service.STARTUP_PATH, "startup", "Whether the worker has once been ready"),
        ):
            good = self._good("Yes.", status, refusals.HEALTH, if_any=(MODEL_VERSION_HEADER,))
            if path != service.LIVE_PATH:
                good[_NOT_NOW] = answer("Not now.", {JSON: either}, (), (MODEL_VERSION_HEADER, RETRY_AFTER))
            paths[path] = {"get": self._operation(refusals.HEALTH, name, says, good, tag="Health")}
        return paths

    def _documentation(self) -> Paths:
        document = record({"openapi": _TEXT, "info": {"type": "object"}, "paths": {"type": "object"}}, is_open=True)
        paths = {
            service.OPENAPI_PATH: ("openapi", "This document", JSON, document, refusals.DESCRIPTION),
            service.DOCS_PATH: ("docs", "A page that shows this document", PAGE_TYPE, _TEXT, refusals.PLAIN),
        }
        for path, asset in ASSETS.items():
            named = (f"docs_{asset.name.replace('.', '_')}", "A part of that page", asset.media_type, _TEXT)
            paths[path] = (*named, refusals.PLAIN)
        operations: Paths = {}
        for path, (name, summary, media_type, schema, kind) in paths.items():
            good = {
                _OK: answer("The content.", {media_type: media(schema)}, (ETAG,)),
                _NOT_MODIFIED: answer("The content is still the one that `If-None-Match` names.", None, (ETAG,)),
            }
            parameters = [reference("parameters", "If-None-Match")]
            operations[path] = {
                "get": self._operation(kind, name, summary, good, tag="Documentation", parameters=parameters)
            }
        return operations

    def _protocol(self) -> Paths:
        def simple(kind: Kind, name: str, summary: str, schema: Schema) -> Schema:
            content = {JSON: media(schema)}
            return self._operation(
                kind, name, summary, self._good("The answer.", content, kind), tag="Open Inference Protocol"
            )

        plain, of_model = refusals.PROTOCOL, refusals.METADATA
        ready = simple(plain, "v2_health_ready", "Whether requests may be sent here", _flag("ready", True))
        ready["responses"][_NOT_NOW] = answer(
            "Not now.",
            {JSON: media({"anyOf": [_flag("ready", False), reference("schemas", "ProtocolError")]})},
            (),
            (RETRY_AFTER,),
        )
        paths: Paths = {
            OPEN_INFERENCE_PREFIX: {
                "get": simple(plain, "v2_server", "The server", reference("schemas", "ServerMetadata"))
            },
            OPEN_INFERENCE_PREFIX + "/health/live": {
                "get": simple(plain, "v2_health_live", "Whether the worker lives", _flag("live", True))
            },
            OPEN_INFERENCE_PREFIX + "/health/ready": {"get": ready},
        }
        for path, name, whose in (
            (MODEL_PATH, "model", "a model's current version"),
            (VERSION_PATH, "version", "a version of a model"),
        ):
            described, is_ready = reference("schemas", "ModelMetadata"), reference("schemas", "ModelReady")
            operations = {
                "": ("get", simple(of_model, f"v2_{name}", f"What {whose} takes and gives", described)),
                "/ready": ("get", simple(of_model, f"v2_{name}_ready", f"Whether {whose} is loaded", is_ready)),
                INFER: (
                    "post",
                    self.infer(
                        f"v2_{name}_infer",
                        f"Inference with {whose}",
                        reference("schemas", "InferRequest"),
                        by_user=path == MODEL_PATH,
                    ),
                ),
            }
            for tail, (method, operation) in operations.items():
                paths[path + tail] = {method: operation, "parameters": of_path(path)}
        return paths

    def _repository(self) -> Paths:
        index = self._operation(
            refusals.INDEX,
            "v2_index",
            "What is published, and what of it is loaded",
            self._good("Every version.", {JSON: media(reference("schemas", "Index"))}, refusals.INDEX),
            body={JSON: media(reference("schemas", "IndexRequest"))},
            body_required=False,
            tag="Model repository",
        )
        paths: Paths = {OPEN_INFERENCE_PREFIX + "/repository/index": {"post": index}}
        model = OPEN_INFERENCE_PREFIX + "/repository/models/{name}"
        for path, schema in ((model, "VersionNamed"), (model + "/versions/{version}", "VersionNamedInPath")):
            by_path = schema == "VersionNamedInPath"
            for word, summary in (
                ("load", "Load a version besides the current one"),
                ("unload", "Unload a version that was loaded so"),
            ):
                operation = self._operation(
                    refusals.CHANGE,
                    f"v2_{word}_version" if by_path else f"v2_{word}",
                    summary,
                    self._good("Done; the answer has no body.", None, refusals.CHANGE),
                    body={JSON: media(reference("schemas", schema))},
                    body_required=not by_path,
                    tag="Model repository",
                    description=_for_operators(self._authentication),
                )
                paths[f"{path}/{word}"] = {"post": operation, "parameters": of_path(path)}
        return paths

    def _good(
        self, description: str, content: Mapping[str, Schema] | None, kind: Kind, *, if_any: Sequence[str] = ()
    ) -> dict[str, Schema]:
        headers = [name for name in headers_of(kind, authentication=self._authentication) if name not in if_any]
        return {_OK: answer(description, content, headers, if_any)}

    def _operation(
        self,
        kind: Kind,
        operation_id: str,
        summary: str,
        good: Mapping[str, Schema],
        *,
        tag: str,
        body: Mapping[str, Schema] | None = None,
        body_required: bool = True,
        parameters: Sequence[Schema] = (),
        description: str = "",
    ) -> Schema:
        responses = refused(kind, authentication=self._authentication) | dict(good)
        operation: Schema = {
            "operationId": operation_id,
            "summary": summary,
            "tags": [tag],
            "security": security(kind, authentication=self._authentication),
            "parameters": [reference("parameters", service.REQUEST_ID_HEADER), *parameters],
            "responses": dict(sorted(responses.items())),
        }
        if description:
            operation["description"] = description
        if body is not None:
            operation["requestBody"] = {"required": body_required, "content": dict(body)}
        return operation


_TEXT: Schema = {"type": "string"}


def _flag(name: str, value: bool) -> Schema:
    return record({name: {"const": value}})


def _for_operators(authentication: bool) -> str:
    return f"For credentials with the scope `{OPERATOR}`." if authentication else ""
