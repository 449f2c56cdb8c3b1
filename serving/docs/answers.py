"""Answers as OpenAPI has them: the errors of each kind of route, the headers of every answer, and what is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from contract.service import MODEL_VERSION_HEADER, REQUEST_ID_HEADER
from serving.docs.refusals import KINDS, NO_OPERATION, Kind
from serving.docs.schemas import Schema, record, reference
from serving.messages import JSON_TYPE
from serving.tracing.context import TRACERESPONSE

JSON = JSON_TYPE.decode()

HEADER_LENGTH = "Inference-Header-Content-Length"
RETRY_AFTER, AUTHENTICATE, ALLOW, ETAG = "Retry-After", "WWW-Authenticate", "Allow", "ETag"
RATE_LIMIT = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TEXT: Schema = {"type": "string"}
_HEADERS: Mapping[str, tuple[str, Schema]] = {
    REQUEST_ID_HEADER: ("The caller's own id, or one made for the request: name it when you report a fault.", _TEXT),
    MODEL_VERSION_HEADER: ("The version that the request was for.", _TEXT),
    TRACERESPONSE.decode(): ("The span that the request became, where it is traced (W3C Trace Context 3).", _TEXT),
    RATE_LIMIT[0]: ("Requests that the caller may make at once.", _COUNT),
    RATE_LIMIT[1]: ("Requests that are left of them.", _COUNT),
    RATE_LIMIT[2]: ("Seconds until all of them are there again.", _COUNT),
    RETRY_AFTER: ("Seconds to wait before the next attempt.", _COUNT),
    AUTHENTICATE: ("How to authenticate (RFC 6750).", _TEXT),
    ALLOW: ("The methods of the path.", _TEXT),
    HEADER_LENGTH: ("How many bytes of the body are JSON, where binary tensors follow it.", _COUNT),
    ETAG: ("Names this state of the content, for `If-None-Match`.", _TEXT),
}
_IF_ANY = "IfAny"
_SAYS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "The request is not what is taken here; the message names the place.",
    HTTPStatus.UNAUTHORIZED: "No credentials, or not valid ones.",
    HTTPStatus.FORBIDDEN: "The credentials do not cover this.",
    HTTPStatus.NOT_FOUND: "There is no such path, model or version.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The path does not take this method.",
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long to arrive; the connection closes.",
    HTTPStatus.CONFLICT: "The version did not come or go.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than the server takes; the connection closes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body has another type or encoding than is taken here.",
    HTTPStatus.EXPECTATION_FAILED: "The header Expect asks for something else than 100-continue.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A row's features are missing or too old.",
    HTTPStatus.TOO_MANY_REQUESTS: "The caller's or the model's limit is reached.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "Too many headers, or too long ones; the connection closes.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The server could not answer.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The server cannot answer now: try again.",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "The request has another version of HTTP.",
    HTTPStatus.GATEWAY_TIMEOUT: "The answer took too long: try again.",
}
_ALWAYS_WITH: Mapping[HTTPStatus, tuple[str, ...]] = {
    HTTPStatus.UNAUTHORIZED: (AUTHENTICATE,),
    HTTPStatus.FORBIDDEN: (AUTHENTICATE,),
    HTTPStatus.METHOD_NOT_ALLOWED: (ALLOW,),
    HTTPStatus.TOO_MANY_REQUESTS: (*RATE_LIMIT, RETRY_AFTER),
    HTTPStatus.SERVICE_UNAVAILABLE: (RETRY_AFTER,),
}


def header_components() -> dict[str, Schema]:
    """Each header twice: as one that an answer always has, and as one that it may have."""
    headers: dict[str, Schema] = {}
    for name, (description, schema) in _HEADERS.items():
        headers[name] = {"description": description, "required": True, "schema": schema}
        headers[name + _IF_ANY] = {"description": description, "schema": schema}
    return headers


def error_schemas() -> dict[str, Schema]:
    fault = record(
        {
            "code": {"type": "string", "description": "For programs; more codes may come."},
            "message": {"type": "string", "description": "For people; it quotes none of the request's values."},
            "field": {"type": ["string", "null"], "description": "What is at fault, as in `instances[3][7]`."},
        }
    )
    return {"Error": record({"error": fault}), "ProtocolError": record({"error": _TEXT})}


def security_schemes() -> dict[str, Schema]:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a signed token (JWT)."},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
    }


def security(kind: Kind, *, authentication: bool) -> list[dict[str, list[str]]]:
    if not (authentication and kind.asks_who):
        return []
    either: list[dict[str, list[str]]] = [{name: []} for name in security_schemes()]
    return [{}, *either] if kind.lets_strangers else either


def refusal_components(*, authentication: bool) -> dict[str, Schema]:
    """The errors of every kind, and of requests for no operation at all."""
    found = {
        _component(kind, status): _refusal(kind, status, codes, authentication=authentication)
        for kind in KINDS
        for status, codes in kind.codes(authentication=authentication).items()
    }
    nowhere = Kind(name="NoOperation")
    return found | {
        _component(nowhere, status): _refusal(nowhere, status, codes, authentication=authentication)
        for status, codes in NO_OPERATION.items()
    }


def refused(kind: Kind, *, authentication: bool) -> dict[str, Schema]:
    """The errors of an operation, by status."""
    return {
        str(status.value): reference("responses", _component(kind, status))
        for status in kind.codes(authentication=authentication)
    }


def answer(
    description: str, content: Mapping[str, Schema] | None, headers: Sequence[str] = (), if_any: Sequence[str] = ()
) -> Schema:
    """An answer with its headers, besides those of every answer; `content` by media type."""
    names = {REQUEST_ID_HEADER: REQUEST_ID_HEADER, TRACERESPONSE.decode(): TRACERESPONSE.decode() + _IF_ANY}
    names |= {name: name for name in headers} | {name: name + _IF_ANY for name in if_any if name not in headers}
    described: Schema = {
        "description": description,
        "headers": {name: reference("headers", component) for name, component in names.items()},
    }
    return described | ({"content": dict(content)} if content else {})


def media(schema: Schema, examples: Mapping[str, Schema] | None = None) -> Schema:
    return {"schema": schema} | ({"examples": dict(examples)} if examples else {})


def headers_of(kind: Kind, *, authentication: bool) -> tuple[str, ...]:
    """What an answer about a model has besides the headers of every answer."""
    version = (MODEL_VERSION_HEADER,) if kind.about_a_model else ()
    return version + (RATE_LIMIT if kind.limited and authentication else ())


def _component(kind: Kind, status: HTTPStatus) -> str:
    return f"{kind.name}{status.value}"


def _refusal(kind: Kind, status: HTTPStatus, codes: Sequence[str], *, authentication: bool) -> Schema:
    always = _ALWAYS_WITH.get(status, ())
    named = f"{_SAYS[status]} Codes: {', '.join(f'`{code}`' for code in codes)}."
    error = reference("schemas", "ProtocolError" if kind.open_inference else "Error")
    return answer(
        _SAYS[status] if kind.open_inference else named,
        {JSON: media(error)},
        always,
        headers_of(kind, authentication=authentication),
    )
