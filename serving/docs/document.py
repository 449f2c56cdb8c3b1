"""The OpenAPI 3.1 document: the operations, what they share, and the bodies of the models that are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from contract import service
from contract.metadata import ModelMetadata
from serving import VERSION
from serving.docs import answers, inferring, operations, parameters, predicting
from serving.docs.operations import INFER, MODEL_PATH, VERSION_PATH, Operations
from serving.docs.schemas import Schema, record, reference
from serving.loaded import LoadedModels
from serving.oip.routes import SERVER_NAME

OPENAPI_VERSION = "3.1.0"
JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the document says of every model's requests."""

    authentication: bool
    max_rows: int
    max_body_bytes: int


class Content(NamedTuple):
    """Bytes to answer, and the quoted tag that names them."""

    body: bytes
    etag: bytes


def content(body: bytes) -> Content:
    return Content(body, b'"%b"' % sha256(body).hexdigest()[:32].encode())


class Loaded(NamedTuple):
    """What may be asked for: every version, the current ones, and `/predict`'s."""

    versions: Sequence[ModelMetadata]
    current: Sequence[ModelMetadata]
    default: ModelMetadata | None


NOTHING = Loaded((), (), None)


class Document:
    """The document as bytes: without models for strangers, and for what is loaded, made anew when that changes."""

    def __init__(self, models: LoadedModels, terms: Terms) -> None:
        self._models = models
        self._terms = terms
        self._loaded = NOTHING
        self._content = self.of_no_model = content(render(NOTHING, terms))

    @property
    def of_models(self) -> Content:
        loaded = self._look()
        if not _same(loaded, self._loaded):
            self._content = content(render(loaded, self._terms))
            self._loaded = loaded
        return self._content

    def _look(self) -> Loaded:
        models = self._models
        versions = [version.metadata for version in models.loaded()]
        names = dict.fromkeys(metadata.name for metadata in versions)
        current = [found.metadata for name in names if (found := models.find(name)) is not None]
        default = models.find(models.default)
        return Loaded(versions, current, default.metadata if default is not None else None)


def render(loaded: Loaded, terms: Terms) -> bytes:
    return msgspec.json.encode(document(loaded, terms))


def document(loaded: Loaded, terms: Terms) -> dict[str, Any]:
    made = Operations(authentication=terms.authentication)
    schemas = _schemas() | {
        _component(metadata): inferring.request(metadata, terms.max_rows) for metadata in loaded.versions
    }
    components: dict[str, Any] = {
        "schemas": schemas,
        "responses": answers.refusal_components(authentication=terms.authentication),
        "parameters": parameters.components(),
        "headers": answers.header_components(),
    }
    if terms.authentication:
        components["securitySchemes"] = answers.security_schemes()
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": SERVER_NAME, "version": VERSION, "description": _description(terms)},
        "jsonSchemaDialect": JSON_SCHEMA,
        "paths": {
            service.PREDICT_PATH: {"post": _predict(made, loaded.default, terms)},
            **made.paths(),
            **_infer_paths(made, loaded),
        },
        "components": components,
    }


def _predict(made: Operations, default: ModelMetadata | None, terms: Terms) -> Schema:
    if default is None:
        return made.predict(predicting.any_request(), {}, predicting.any_answer(), {})
    return made.predict(
        predicting.request(default, terms.max_rows),
        predicting.request_examples(default),
        predicting.answer(default),
        predicting.answer_examples(default),
    ) | {"description": f"The default model is {default.name}, its current version {default.version}."}


def _infer_paths(made: Operations, loaded: Loaded) -> operations.Paths:
    """A path of its own for each version, whose body names its inputs: it comes before the path for any model."""
    paths: operations.Paths = {}
    of_paths = [(MODEL_PATH, metadata) for metadata in loaded.current]
    of_paths += [(VERSION_PATH, metadata) for metadata in loaded.versions]
    for template, metadata in of_paths:
        path = template.format(name=metadata.name, version=metadata.version) + INFER
        example = inferring.request_example(metadata)
        examples = {} if example is None else {"tensors": {"summary": "Data in row-major order", "value": example}}
        operation_id = path.removeprefix("/").replace("/", "_")
        summary = f"Inference with {metadata.name} {metadata.version}"
        request = reference("schemas", _component(metadata))
        by_user = template == MODEL_PATH
        paths[path] = {"post": made.infer(operation_id, summary, request, examples, by_user=by_user)}
    return paths


def _component(metadata: ModelMetadata) -> str:
    return f"InferRequest.{metadata.name}.{metadata.version}"


def _schemas() -> dict[str, Schema]:
    health = record({"status": {"type": "string"}, "model_version": {"type": ["string", "null"]}})
    return {**answers.error_schemas(), "Health": health, **inferring.components()}


def _description(terms: Terms) -> str:
    asked = (
        "Requests to models need a credential; without one, this document says nothing of the models. "
        if terms.authentication
        else ""
    )
    return (
        "Predictions of the loaded models, as rows under `/predict` and as tensors under `/v2` (Open Inference "
        f"Protocol). {asked}HEAD is answered wherever GET is; a path that is not here with 404, another method with "
        f"405. A request holds at most {terms.max_rows} rows and a body of {terms.max_body_bytes} bytes, not "
        "compressed. Numbers are finite, as NaN and Infinity are not JSON, and integers have no decimal point."
    )


def _same(one: Loaded, other: Loaded) -> bool:
    """Whether they hold the very same versions: one that was loaded anew may have other metadata."""

    def ids(loaded: Loaded) -> list[list[int]]:
        return [[id(found) for found in part] for part in (loaded.versions, loaded.current, (loaded.default,))]

    return ids(one) == ids(other)
